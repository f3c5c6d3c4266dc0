package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// segmentsFile is where PostgreSQL reads the state of the segments: one line per warehouse, see seed/kernel.sql.
const segmentsFile = "/run/kubectl-synxdb/segments"

// warehouse is one warehouse of the account: whether each of its nodes answers, by the names of their pods.
type warehouse struct {
	name  string
	nodes []bool
}

func (w *warehouse) ready() int {
	ready := 0
	for _, node := range w.nodes {
		if node {
			ready++
		}
	}
	return ready
}

// warehouses asks every node that ever registered in this folder. It does not know whether a warehouse was scaled down: its
// nodes do not answer.
func warehouses(folder string) []*warehouse {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // none yet
	}
	var found []*warehouse
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			continue
		}
		address, name, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		index := slices.IndexFunc(found, func(one *warehouse) bool { return one.name == name })
		if index < 0 {
			index = len(found)
			found = append(found, &warehouse{name: name})
		}
		node, err := net.DialTimeout("tcp", net.JoinHostPort(address, "5432"), 300*time.Millisecond)
		if err == nil {
			node.Close()
		}
		found[index].nodes = append(found[index].nodes, err == nil)
	}
	slices.SortFunc(found, func(a, b *warehouse) int { return strings.Compare(a.name, b.name) })
	return found
}

// tell writes the current state of the segments for PostgreSQL.
func (g *gate) tell(all []*warehouse) {
	var text strings.Builder
	for index, one := range all {
		fmt.Fprintf(&text, "%d %s", 20001+index, one.name)
		for _, node := range one.nodes {
			text.WriteString(map[bool]string{true: " up", false: " down"}[node])
		}
		text.WriteString("\n")
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.told && g.written == text.String() {
		return
	}
	// Atomically: PostgreSQL may be reading.
	unfinished := segmentsFile + "~"
	err := os.MkdirAll(filepath.Dir(segmentsFile), 0o755)
	if err == nil {
		err = os.WriteFile(unfinished, []byte(text.String()), 0o644)
	}
	if err == nil {
		err = os.Rename(unfinished, segmentsFile)
	}
	if err != nil {
		log.Printf("the segments' file: %v", err)
		return
	}
	g.told, g.written = true, text.String()
}

// refuses returns why a session in this warehouse, or in none, is rejected.
func refuses(all []*warehouse, chosen string) *refusal {
	var in *warehouse
	switch {
	case chosen != "":
		index := slices.IndexFunc(all, func(one *warehouse) bool { return one.name == chosen })
		if index < 0 {
			return &refusal{
				code:    "22023",
				message: fmt.Sprintf("invalid value for parameter \"warehouse\": %q", chosen),
				detail:  fmt.Sprintf("Warehouse %q does not exist.", chosen),
			}
		}
		in = all[index]
	case len(all) == 1:
		in = all[0]
	default:
		return nil
	}
	if ready := in.ready(); ready < len(in.nodes) {
		return &refusal{code: "57P03", message: fmt.Sprintf(
			"the database system is not accepting connections: %d of %d nodes of warehouse %s are ready",
			ready, len(in.nodes), in.name)}
	}
	return nil
}
