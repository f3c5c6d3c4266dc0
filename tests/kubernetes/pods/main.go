// Stand-ins for SynxDB's programs, for pods of a real Kubernetes: a proxy is a real PostgreSQL behind a gate, a warehouse
// node a port that refuses clients as a segment does. They answer like those of the practice cluster
// (crates/practice-cluster/src/workload), so that the same end-to-end cases pass on both. Safekeepers and pageservers are
// crates/storage-stand-in on both.
package main

import (
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// objects is the mount point of the folder for SynxDB's object storage.
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

// reap keeps a pod's namespaces open, as their first process, and reaps orphans until it is terminated.
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
