package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	// The one tenant and timeline.
	timeline = `{tenant_id="9ef87a5bf0d92544f6fafeeb3239695c",timeline_id="b3b863fa45fa9e57e615f9f2d944e601"}`
	// Where the write-ahead log ends: 0/2A55E98, the same on every safekeeper that is caught up.
	flushLSN = 0x02A55E98
	// Up to where it has been uploaded: a segment's boundary before that.
	backupLSN = 0x02000000
)

// page serves /v1/status and /metrics, as the Neon line of components does.
func page(address string, metrics func() string) <-chan error {
	failed := make(chan error, 1)
	name := podName()
	ordinal, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	answer := func(kind string, body func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, body())
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/status", answer("application/json", func() string { return fmt.Sprintf(`{"id":%d}`, ordinal+1) }))
	mux.HandleFunc("/metrics", answer("text/plain; version=0.0.4", metrics))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"msg":"page not found"}`)
	})
	go func() { failed <- http.ListenAndServe(address, mux) }()
	return failed
}

func metric(name, help, labels string, value uint64) string {
	return fmt.Sprintf("# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n%[1]s%[3]s %[4]d\n", name, help, labels, value)
}

func safekeeperMetrics() string {
	return metric("safekeeper_flush_lsn", "Current flush_lsn", timeline, flushLSN) +
		metric("safekeeper_commit_lsn", "Current commit_lsn", timeline, flushLSN) +
		metric("safekeeper_backup_lsn", "Current backup_lsn", timeline, backupLSN)
}

func pageserverMetrics() string {
	return metric("pageserver_tenant_states_count", "Count of tenants per state", `{state="Active"}`, 1) +
		metric("pageserver_broken_tenants_count", "Count of broken tenants", "", 0)
}
