// An API server and a kubelet for benches/forward, on a machine without a Kubernetes: the port-forward code of both is
// Kubernetes' own, so that kubectl's port-forward works, too. All other requests go to a practice cluster.
//
//	kubectl synxdb sandbox                                  (in another terminal; prints KUBECONFIG)
//	cd benches/api-server && go run . KUBECONFIG HOST:PORT FILE
//
// HOST:PORT is a PostgreSQL server, to which every port of every pod leads. It writes a kubeconfig to FILE, and prints
// `ready`.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/proxy"
	tunnel "k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// The kubelet's time limits.
const (
	idle     = 4 * time.Hour
	creation = 30 * time.Second
)

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// certificate returns one for this machine, of the kind and size that kubeadm makes.
func certificate() (tls.Certificate, []byte) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api-server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text
}

// database is where every port of every pod leads.
type database string

func (d database) PortForward(_ context.Context, _, _ string, _ int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	connection, err := net.Dial("tcp", string(d))
	if err != nil {
		return err
	}
	defer connection.Close()
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(connection, stream)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(stream, connection)
		ended <- err
	}()
	return <-ended
}

type refusal struct{}

func (refusal) Error(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// serve starts a server with kube-apiserver's time limits for connections, and returns its address.
func serve(identity tls.Certificate, handler http.HandlerFunc) string {
	server := &http.Server{
		Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{identity}},
		IdleTimeout: 90 * time.Second, ReadHeaderTimeout: 32 * time.Second,
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	return listener.Addr().String()
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: api-server KUBECONFIG HOST:PORT FILE")
	}
	config := must(clientcmd.BuildConfigFromFlags("", os.Args[1]))
	identity, authority := certificate()
	kubelet := serve(identity, func(w http.ResponseWriter, request *http.Request) {
		options, err := portforward.NewV4Options(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		protocols := portforward.SupportedProtocols
		portforward.ServePortForward(w, request, database(os.Args[2]), "pod", "uid", options, idle, creation, protocols)
	})
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	toKubelet := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	others := httputil.NewSingleHostReverseProxy(must(url.Parse(config.Host)))
	others.Transport = must(rest.TransportFor(config))
	others.FlushInterval = -1
	address := serve(identity, func(w http.ResponseWriter, request *http.Request) {
		if !strings.HasSuffix(request.URL.Path, "/portforward") {
			request.Header.Del("Authorization")
			others.ServeHTTP(w, request)
			return
		}
		// As kube-apiserver's pods/portforward.
		query := url.Values{"port": request.URL.Query()["ports"]}
		location := &url.URL{Scheme: "https", Host: kubelet, Path: "/portForward/n/pod", RawQuery: query.Encode()}
		proxied := proxy.NewUpgradeAwareHandler(location, toKubelet, false, true, refusal{})
		tunneled := tunnel.NewTunnelingHandler(proxied)
		isTunnel := wsstream.IsWebSocketRequestWithTunnelingProtocol
		tunnel.NewTranslatingHandler(proxied, tunneled, isTunnel).ServeHTTP(w, request)
	})
	type object = map[string]any
	kubeconfig := object{
		"apiVersion": "v1", "kind": "Config", "current-context": "bench",
		"clusters": []object{{"name": "bench", "cluster": object{
			"server": "https://" + address, "certificate-authority-data": authority}}},
		"users":    []object{{"name": "bench", "user": object{"token": "bench"}}},
		"contexts": []object{{"name": "bench", "context": object{"cluster": "bench", "user": "bench"}}},
	}
	if err := os.WriteFile(os.Args[3], must(json.Marshal(kubeconfig)), 0o600); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	select {}
}
