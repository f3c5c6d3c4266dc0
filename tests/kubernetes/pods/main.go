// Stand-ins for SynxDB's programs, for pods of a real Kubernetes: a proxy is a real PostgreSQL behind a gate, a warehouse
// node a port that refuses clients as a segment does. They answer as the embedded practice cluster's do
// (crates/practice-cluster/src/workload), so that the same end-to-end cases hold for both. Safekeepers and pageservers are
// crates/storage-stand-in in both.
package main

import (
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// objects is where the folder that stands for SynxDB's object storage is mounted.
const objects = "/objects"

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)

	var failed <-chan error
	role := filepath.Base(os.Args[0])
	if len(os.Args) > 1 {
		role = os.Args[1]
	}
	switch role {
	case "pause":
		reap(ended)
		return
	case "proxy":
		os.Exit(proxy(ended))
	case "warehouse":
		failed = warehouseNode()
	default:
		log.Fatalf("%s: not one of pause, proxy, warehouse", role)
	}
	select {
	case err := <-failed:
		log.Fatal(err)
	case <-ended:
	}
}

// reap holds a pod's namespaces open, as the first process in them, and takes leave of orphans until it is told to end.
func reap(ended <-chan os.Signal) {
	children := make(chan os.Signal, 16)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-ended:
			return
		case <-children:
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}
