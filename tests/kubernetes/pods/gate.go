package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// gate lets clients through to PostgreSQL's socket while the account's warehouse nodes answer, and cuts their
// connections when one no longer does. TLS is the server's own, which it has on no socket but on its address; there a
// refusal cannot be worded, and is a closed connection.
type gate struct {
	socket, address string
	// nodes is the folder of the warehouse nodes' addresses; empty where the proxy has none.
	nodes string

	mutex sync.Mutex
	open  map[net.Conn]struct{}
}

func (g *gate) serve(listener net.Listener) {
	g.open = map[net.Conn]struct{}{}
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
	if server != nil {
		if g.check() != nil {
			server.Close()
			return
		}
		if _, err := client.Write([]byte{'S'}); err != nil {
			server.Close()
			return
		}
	} else {
		// A cancel request carries nothing to be refused with.
		if code != cancelRequest {
			if refused := g.check(); refused != nil {
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
	g.open[client] = struct{}{}
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
		io.Copy(to, from)
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

// check asks every node that ever registered; a refusal says which warehouse lacks some.
func (g *gate) check() *refusal {
	if g.nodes == "" {
		return nil
	}
	entries, err := os.ReadDir(g.nodes)
	if err != nil {
		return nil // none yet
	}
	type count struct{ ready, all int }
	warehouses := map[string]*count{}
	for _, entry := range entries {
		name := entry.Name()
		dash := strings.LastIndexByte(name, '-')
		if strings.HasPrefix(name, ".") || dash < 0 {
			continue
		}
		warehouse := warehouses[name[:dash]]
		if warehouse == nil {
			warehouse = &count{}
			warehouses[name[:dash]] = warehouse
		}
		warehouse.all++
		address, err := os.ReadFile(filepath.Join(g.nodes, name))
		if err != nil {
			continue
		}
		if node, err := net.DialTimeout("tcp", net.JoinHostPort(string(address), "5432"), 300*time.Millisecond); err == nil {
			node.Close()
			warehouse.ready++
		}
	}
	names := make([]string, 0, len(warehouses))
	for name := range warehouses {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if count := warehouses[name]; count.ready < count.all {
			return &refusal{code: "57P03", message: fmt.Sprintf(
				"the database system is not accepting connections: %d of %d nodes of warehouse %s are ready",
				count.ready, count.all, name)}
		}
	}
	return nil
}

func (g *gate) watchNodes() {
	for range time.Tick(250 * time.Millisecond) {
		refused := g.check()
		if refused == nil {
			continue
		}
		g.mutex.Lock()
		if len(g.open) > 0 {
			log.Printf("ending %d connections: %s", len(g.open), refused.message)
		}
		for client := range g.open {
			client.Close()
		}
		g.mutex.Unlock()
	}
}
