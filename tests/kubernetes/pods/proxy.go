package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	superuser    = "gpadmin"
	socketFolder = "/run/postgresql"
	// serverPort is PostgreSQL's own, for TLS, on the pod's loopback interface; its socket is named after it.
	serverPort = "5433"
	// filled marks a data folder whose databases have been created.
	filled = "kubectl-synxdb-filled"
)

// proxy runs PostgreSQL on the data folder of $PGDATA, creates its initial content, and serves port 5432 when it answers:
// until then, the pod is not ready. It returns the exit code.
func proxy(ended <-chan os.Signal) int {
	server, err := start()
	if err != nil {
		log.Print(err)
		return 1
	}
	if isMetadataProxy() {
		started, err := computeChanged(0)
		if err != nil {
			log.Print(err)
			return 1
		}
		defer computeChanged(started)
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()

	answers := make(chan error, 1)
	go func() { answers <- prepare() }()
	for {
		select {
		case err := <-answers:
			answers = nil
			if err != nil {
				log.Print(err)
				return 1
			}
			listener, err := net.Listen("tcp", ":5432")
			if err != nil {
				log.Print(err)
				return 1
			}
			gate := &gate{
				socket:  filepath.Join(socketFolder, ".s.PGSQL."+serverPort),
				address: net.JoinHostPort("127.0.0.1", serverPort),
			}
			if !isMetadataProxy() {
				gate.nodes = nodesFolder()
				gate.tell(warehouses(gate.nodes))
			}
			go gate.serve(listener)
			log.Print("serving")
		case <-ended:
			// Fast shutdown: ends sessions, and writes a checkpoint.
			server.Process.Signal(syscall.SIGINT)
		case err := <-exited:
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				return failed.ExitCode()
			}
			return 0
		}
	}
}

// compute describes the compute whose WAL the safekeepers hold: crates/storage-stand-in reads it, and writes the same in the
// practice cluster. Times are in milliseconds.
type compute struct {
	Starts uint64  `json:"starts"`
	Ran    uint64  `json:"ran"`
	Since  *uint64 `json:"since"`
	Ended  *uint64 `json:"ended"`
}

// computeChanged records that the compute has started, and returns the number of its start; or that the one with that number
// has ended, unless there is a newer one. It writes atomically: safekeepers may be reading.
func computeChanged(ended uint64) (uint64, error) {
	folder := filepath.Join(objects, os.Getenv("POD_NAMESPACE"), "storage")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	file := filepath.Join(folder, "compute")
	var known compute
	switch content, err := os.ReadFile(file); {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return 0, err
	default:
		if err := json.Unmarshal(content, &known); err != nil {
			return 0, err
		}
	}
	if ended != 0 && ended != known.Starts {
		return 0, nil
	}
	now := uint64(time.Now().UnixMilli())
	if began, err := os.ReadFile(filepath.Join(folder, "began")); err == nil && known.Starts == 0 {
		// Until a compute is recorded, one runs.
		if began, err := strconv.ParseUint(string(began), 10, 64); err == nil && began < now {
			known.Ran = now - began
		}
	}
	if known.Since != nil && *known.Since < now {
		// A killed one wrote until now.
		known.Ran += now - *known.Since
	}
	if ended == 0 {
		known.Starts++
		known.Since, known.Ended = &now, nil
	} else {
		known.Since, known.Ended = nil, &now
	}
	content, err := json.Marshal(known)
	if err != nil {
		return 0, err
	}
	unfinished := filepath.Join(folder, ".compute")
	if err := os.WriteFile(unfinished, content, 0o644); err != nil {
		return 0, err
	}
	return known.Starts, os.Rename(unfinished, file)
}

func dataFolder() string { return os.Getenv("PGDATA") }

// start creates the database cluster if necessary, and starts its server.
func start() (*exec.Cmd, error) {
	data := dataFolder()
	if data == "" {
		return nil, errors.New("PGDATA is not set")
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, folder := range []string{data, socketFolder} {
		// Folders above it can be traversed.
		if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
			return nil, err
		}
		if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
			return nil, err
		}
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		if err := os.Chown(folder, uid, gid); err != nil {
			return nil, err
		}
	}
	as := func(program string, arguments ...string) *exec.Cmd {
		command := exec.Command(program, arguments...)
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
		command.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
			// Signals for the container are not passed to the server: see proxy.
			Setpgid: true,
		}
		return command
	}
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(programs) == 0 {
		return nil, errors.New("there is no PostgreSQL in this image")
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		if err := as(programs[0]+"/initdb", "-D", data, "-U", superuser, "--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--no-locale", "-N").Run(); err != nil {
			return nil, fmt.Errorf("initdb: %w", err)
		}
	}
	// Leftovers of a killed server belong to a process of a container that is gone.
	os.Remove(filepath.Join(data, "postmaster.pid"))
	// Practice data: it need not survive a crash of the machine.
	server := as(programs[0]+"/postgres", "-D", data, "-k", socketFolder, "-p", serverPort, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
		"-c", "shared_buffers=16MB", "-c", "log_min_messages=log",
		// An account's catalog has segments, and its sessions run in a warehouse.
		"-c", "allow_system_table_mods=on", "-c", setting+"=")
	return server, server.Start()
}

// prepare waits until the server answers and creates what is missing, like the practice cluster: a new database cluster is
// filled only the first time; if there was another before, its data is lost, except for a metadata proxy's empty database.
func prepare() error {
	deadline := time.Now().Add(time.Minute)
	// Not a login: a kept database cluster may require a password by now.
	for exec.Command("pg_isready", "-q", "-h", socketFolder, "-p", serverPort).Run() != nil {
		if time.Now().After(deadline) {
			return errors.New("PostgreSQL does not answer within a minute")
		}
		time.Sleep(50 * time.Millisecond)
	}
	onData := filepath.Join(dataFolder(), filled)
	known := filepath.Join(objects, os.Getenv("POD_NAMESPACE"), podName()+".filled")
	if exists(onData) {
		return nil
	}
	first := !exists(known)
	database := "test_db"
	if isMetadataProxy() {
		database = "cloudmeta"
	}
	if first || database == "cloudmeta" {
		// An earlier server may have been stopped half-way through this.
		psql("postgres", "-c", "DROP DATABASE IF EXISTS "+database)
		if err := psql("postgres", "-c", "CREATE DATABASE "+database); err != nil {
			return err
		}
	}
	if first {
		if err := psql(database, "--single-transaction", "-f", "/seed/"+database+".sql"); err != nil {
			return err
		}
	}
	if !isMetadataProxy() {
		// The template last: it must have no sessions while a database is created from it.
		databases := []string{"postgres", "template1"}
		if first {
			databases = []string{"postgres", database, "template1"}
		}
		for _, one := range databases {
			if err := kernel(one); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(filepath.Dir(known), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(known, nil, 0o644); err != nil {
		return err
	}
	return os.WriteFile(onData, nil, 0o644)
}

// kernel makes a database resemble one of SynxDB's kernel, unless it does already.
func kernel(database string) error {
	text, err := os.ReadFile("/seed/kernel.sql")
	if err != nil {
		return err
	}
	// An earlier server may have been stopped half-way through this.
	script := `SELECT count(*) > 0 AS there FROM pg_proc WHERE proname = 'gp_dist_random' \gset
\if :there
\else
` + strings.ReplaceAll(string(text), "@SEGMENTS@", segmentsFile) + `
\endif
`
	file := filepath.Join(os.TempDir(), "kernel-"+database+".sql")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		return err
	}
	defer os.Remove(file)
	return psql(database, "-f", file)
}

func psql(database string, arguments ...string) error {
	all := append([]string{"-X", "-q", "-h", socketFolder, "-p", serverPort, "-U", superuser, "-d", database, "-v", "ON_ERROR_STOP=1"}, arguments...)
	if output, err := exec.Command("psql", all...).CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, output)
	}
	return nil
}

// isMetadataProxy distinguishes the metadata proxy, in the system namespace, from an account's.
func isMetadataProxy() bool { return os.Getenv("POD_NAMESPACE") == "synxdb-system" }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
