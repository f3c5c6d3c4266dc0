package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Codes of PostgreSQL's start-up packets (protocol version 3).
const (
	sslRequest    = 80877103
	gssEncRequest = 80877104
	cancelRequest = 80877102
)

// refusal is a FATAL error that answers a connection.
type refusal struct{ code, message, detail string }

func (r *refusal) send(client net.Conn) {
	var fields []byte
	field := func(kind byte, value string) {
		if value != "" {
			fields = append(append(append(fields, kind), value...), 0)
		}
	}
	field('S', "FATAL")
	field('V', "FATAL")
	field('C', r.code)
	field('M', r.message)
	field('D', r.detail)
	fields = append(fields, 0)
	message := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(fields)+4))
	client.Write(append(message, fields...))
}

// startup reads a client's start-up packet; code is the protocol's version or a request's. Encryption is declined, except
// for TLS that a server on this address accepts: then it returns no packet, but a connection to that server, before the
// client gets an answer. An empty address means no such server.
func startup(client net.Conn, address string) (packet []byte, code uint32, tls net.Conn, err error) {
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(client, head); err != nil {
			return nil, 0, nil, err
		}
		length, code := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
		if length < 8 || length > 10000 {
			return nil, 0, nil, fmt.Errorf("a start-up packet of %d bytes", length)
		}
		rest := make([]byte, length-8)
		if _, err := io.ReadFull(client, rest); err != nil {
			return nil, 0, nil, err
		}
		if code != sslRequest && code != gssEncRequest {
			return append(head, rest...), code, nil, nil
		}
		if code == sslRequest && address != "" {
			if server := agreed(address, head); server != nil {
				return nil, code, server, nil
			}
		}
		if _, err := client.Write([]byte{'N'}); err != nil {
			return nil, 0, nil, err
		}
	}
}

// agreed is a connection on which the server accepted a request for TLS, or nil.
func agreed(address string, request []byte) net.Conn {
	server, err := net.Dial("tcp", address)
	if err != nil {
		return nil
	}
	answer := make([]byte, 1)
	if _, err := server.Write(request); err == nil {
		if _, err := io.ReadFull(server, answer); err == nil && answer[0] == 'S' {
			return server
		}
	}
	server.Close()
	return nil
}
