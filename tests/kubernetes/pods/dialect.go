package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"unicode"
)

// The setting `warehouse` of SynxDB's kernel: PostgreSQL accepts no such name without a dot, so it is passed on as
// synxdb.warehouse. See crates/practice-cluster/src/workload/dialect.rs.
const setting = "synxdb.warehouse"

// longestMessage is the length of the longest message that is inspected.
const longestMessage = 1 << 20

// spokenOf finds where a statement mentions the setting. SET begins a statement: in the middle of one it is about a column.
var spokenOf = regexp.MustCompile(`(?i)(\bshow\s+|\breset\s+|(?:^|[;\x00])\s*set\s+(?:session\s+|local\s+)?|\b(?:current_setting|set_config)\(\s*')warehouse\b`)

// translateStartup reads the warehouse that a start-up packet selects, and changes the packet into one that PostgreSQL accepts.
func translateStartup(packet []byte) (warehouse string, translated []byte) {
	body := append([]byte{}, packet[4:8]...)
	texts := bytes.Split(packet[8:], []byte{0})
	for index := 0; index+1 < len(texts) && len(texts[index]) > 0; index += 2 {
		name, value := string(texts[index]), string(texts[index+1])
		switch name {
		case "options":
			var chosen string
			if chosen, value = translateOptions(value); chosen != "" {
				warehouse = chosen
			}
		case "warehouse":
			warehouse, name = value, setting
		}
		body = append(append(body, name...), 0)
		body = append(append(body, value...), 0)
	}
	body = append(body, 0)
	return warehouse, append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// translateOptions splits as PostgreSQL does: words between white space, in which a backslash keeps what follows it.
func translateOptions(options string) (warehouse, translated string) {
	var words []string
	word, begun, keeps := "", false, false
	for _, c := range options {
		switch {
		case keeps:
			word, keeps = word+string(c), false
		case c == '\\':
			begun, keeps = true, true
		case unicode.IsSpace(c):
			if begun {
				words = append(words, word)
			}
			word, begun = "", false
		default:
			word, begun = word+string(c), true
		}
	}
	if begun {
		words = append(words, word)
	}
	keep := strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "\n", "\\\n")
	afterC := false
	for index, word := range words {
		front := ""
		switch {
		case afterC:
		case strings.HasPrefix(word, "--"), strings.HasPrefix(word, "-c") && len(word) > 2:
			front, word = word[:2], word[2:]
		default:
			afterC = word == "-c"
			words[index] = keep.Replace(word)
			continue
		}
		afterC = false
		if value, found := strings.CutPrefix(word, "warehouse="); found {
			warehouse, word = value, setting+"="+value
		}
		words[index] = keep.Replace(front + word)
	}
	return warehouse, strings.Join(words, " ")
}

// translateMessages passes on what a client sends after its start-up packet, message by message, until it ends.
func translateMessages(server io.Writer, client io.Reader) error {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(client, head); err != nil {
			return err
		}
		rest := int64(binary.BigEndian.Uint32(head[1:])) - 4
		// A query, and the text of a prepared one.
		if head[0] != 'Q' && head[0] != 'P' || rest > longestMessage || rest < 0 {
			if _, err := server.Write(head); err != nil {
				return err
			}
			if _, err := io.CopyN(server, client, max(rest, 0)); err != nil {
				return err
			}
			continue
		}
		text := make([]byte, rest)
		if _, err := io.ReadFull(client, text); err != nil {
			return err
		}
		text = spokenOf.ReplaceAll(text, []byte("${1}"+setting))
		message := append(binary.BigEndian.AppendUint32([]byte{head[0]}, uint32(len(text)+4)), text...)
		if _, err := server.Write(message); err != nil {
			return err
		}
	}
}
