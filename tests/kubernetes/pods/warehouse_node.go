package main

import (
	"errors"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// nodesFolder is where an account's warehouse nodes write their addresses for its proxy.
func nodesFolder() string {
	return filepath.Join(objects, os.Getenv("POD_NAMESPACE"), "nodes")
}

// warehouseNode rejects clients with a segment's message (Greenplum's), and writes its address for the account's proxy.
func warehouseNode() <-chan error {
	failed := make(chan error, 1)
	listener, err := net.Listen("tcp", ":5432")
	if err == nil {
		err = register()
	}
	if err != nil {
		failed <- err
		return failed
	}
	segment := &refusal{
		code:    "57P03",
		message: "connections to primary segments are not allowed",
		detail: "This database instance is running as a primary segment in a Greenplum cluster and does not permit " +
			"direct connections.",
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				failed <- err
				return
			}
			go func() {
				defer client.Close()
				if _, _, _, err := startup(client, ""); err == nil {
					segment.send(client)
				}
			}()
		}
	}()
	return failed
}

// register writes this pod's address and its warehouse under its name, atomically: the proxy may be reading.
func register() error {
	folder, name := nodesFolder(), podName()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	address, err := podAddress()
	if err != nil {
		return err
	}
	unfinished := filepath.Join(folder, "."+name)
	if err := os.WriteFile(unfinished, []byte(address+"\n"+warehouseName(name)+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(unfinished, filepath.Join(folder, name))
}

// warehouseName is the pod's label, which the manifest passes on, or else the name of its StatefulSet.
func warehouseName(pod string) string {
	if name := os.Getenv("WAREHOUSE"); name != "" {
		return name
	}
	return pod[:max(strings.LastIndexByte(pod, '-'), 0)]
}

func podName() string {
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	return name
}

func podAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			return ip.IP.String(), nil
		}
	}
	return "", errors.New("this pod has no address")
}
