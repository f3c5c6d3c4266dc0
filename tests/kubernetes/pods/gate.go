package main

import (
	"io"
	"log"
	"net"
	"sync"
	"time"
)

// gate lets clients through to PostgreSQL's socket while the nodes of their session's warehouse answer, and cuts their
// connections when one no longer does. TLS is the server's own, on its address but not on its socket; there, a
// rejection has no message, and is a closed connection.
type gate struct {
	socket, address string
	// nodes is the folder of the warehouse nodes' addresses; empty if the proxy has none.
	nodes string

	mutex sync.Mutex
	// open has the warehouse of each connection's session, empty for none.
	open map[net.Conn]string
	// written is the state of the segments last written for PostgreSQL, if any.
	written string
	told    bool
}

func (g *gate) serve(listener net.Listener) {
	g.open = map[net.Conn]string{}
	go g.watchNodes()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			g.pass(client)
		}()
	}
}

func (g *gate) pass(client net.Conn) {
	packet, code, server, err := startup(client, g.address)
	if err != nil {
		return
	}
	chosen := ""
	translates := g.nodes != "" && server == nil && code != cancelRequest
	if translates {
		chosen, packet = translateStartup(packet)
	}
	if server != nil {
		// Within TLS no warehouse can be selected.
		if g.check("") != nil {
			server.Close()
			return
		}
		if _, err := client.Write([]byte{'S'}); err != nil {
			server.Close()
			return
		}
	} else {
		// A cancel request cannot be answered with a rejection.
		if code != cancelRequest {
			if refused := g.check(chosen); refused != nil {
				refused.send(client)
				return
			}
		}
		if server, err = net.Dial("unix", g.socket); err != nil {
			(&refusal{code: "57P03", message: "the database system is shutting down"}).send(client)
			return
		}
	}
	defer server.Close()
	g.mutex.Lock()
	g.open[client] = chosen
	g.mutex.Unlock()
	defer func() {
		g.mutex.Lock()
		delete(g.open, client)
		g.mutex.Unlock()
	}()
	if _, err := server.Write(packet); err != nil {
		return
	}
	done := make(chan struct{}, 2)
	one := func(to, from net.Conn) {
		if translates && to == server {
			translateMessages(to, from)
		} else {
			io.Copy(to, from)
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		done <- struct{}{}
	}
	go one(server, client)
	go one(client, server)
	<-done
	<-done
}

// check returns why a session in this warehouse, or in none, is rejected.
func (g *gate) check(chosen string) *refusal {
	if g.nodes == "" {
		return nil
	}
	all := warehouses(g.nodes)
	g.tell(all)
	return refuses(all, chosen)
}

// watchNodes ends the connections of sessions whose warehouse no longer answers.
func (g *gate) watchNodes() {
	if g.nodes == "" {
		return
	}
	for range time.Tick(250 * time.Millisecond) {
		all := warehouses(g.nodes)
		g.tell(all)
		g.mutex.Lock()
		for client, chosen := range g.open {
			if refused := refuses(all, chosen); refused != nil {
				log.Printf("ending a connection: %s", refused.message)
				client.Close()
			}
		}
		g.mutex.Unlock()
	}
}
