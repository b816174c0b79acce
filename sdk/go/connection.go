package agentguard

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const tries = 3

// Option of a client.
type Option func(*settings)

type settings struct {
	timeout                   time.Duration
	insecure                  bool
	caFile, certFile, keyFile string
	ca                        []byte
}

// WithTimeout sets the deadline of calls, for all tries together: 1 s for agents, 10 s for admins if not given.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithInsecure lets the key travel in plain text to another host.
func WithInsecure() Option { return func(s *settings) { s.insecure = true } }

// WithCAFile trusts the roots of a PEM file instead of the system's.
func WithCAFile(path string) Option { return func(s *settings) { s.caFile = path } }

// WithCA trusts roots in PEM instead of the system's.
func WithCA(pem []byte) Option { return func(s *settings) { s.ca = pem } }

// WithClientCertificate shows a certificate to the server; both files are PEM.
func WithClientCertificate(certFile, keyFile string) Option {
	return func(s *settings) { s.certFile, s.keyFile = certFile, keyFile }
}

type connection struct {
	conn    *grpc.ClientConn
	header  string
	key     string
	timeout time.Duration
	closed  atomic.Bool
}

func or(value, variable string) string {
	if value != "" {
		return value
	}
	return os.Getenv(variable)
}

func connect(endpoint, key string, admin bool, options []Option) (*connection, error) {
	header, variable, timeout, limit := "x-agent-key", "AGENTGUARD_API_KEY", time.Second, 4<<20
	if admin {
		header, variable, timeout, limit = "x-admin-key", "AGENTGUARD_ADMIN_KEY", 10*time.Second, 16<<20
	}
	s := settings{timeout: timeout}
	for _, option := range options {
		option(&s)
	}
	if s.timeout <= 0 {
		return nil, configuration("the timeout must be longer than nothing")
	}
	if endpoint = or(endpoint, "AGENTGUARD_ENDPOINT"); endpoint == "" {
		endpoint = "http://127.0.0.1:8000"
	}
	if key = or(key, variable); key == "" {
		if file := os.Getenv(variable + "_FILE"); file != "" {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, configuration("the file of %s_FILE cannot be read", variable)
			}
			key = strings.TrimSpace(string(text))
		}
	}
	if key == "" {
		return nil, configuration("there is no key: give one, or set %s or %s_FILE", variable, variable)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return nil, configuration("the key holds a character that is not visible ASCII")
		}
	}
	target, secure, loopback, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if !secure && !loopback && !s.insecure {
		return nil, configuration("the key would travel in plain text to another host: use https, or say insecure")
	}
	creds := insecure.NewCredentials()
	if secure {
		config, err := s.tls()
		if err != nil {
			return nil, err
		}
		creds = credentials.NewTLS(config)
	}
	conn, failed := grpc.NewClient(target, grpc.WithTransportCredentials(creds), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`), grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("agentguard-go/"+Version), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit)),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
			Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}}))
	if failed != nil {
		return nil, configuration("the endpoint cannot be used")
	}
	return &connection{conn: conn, header: header, key: key, timeout: s.timeout}, nil
}

func parseEndpoint(endpoint string) (target string, secure, loopback bool, err error) {
	bad := configuration("the endpoint must be https://host[:port], http://host[:port], host:port or dns:///host:port")
	rest, port, scheme := endpoint, "", ""
	for _, known := range []string{"https://", "http://", "dns:///"} {
		if strings.HasPrefix(endpoint, known) {
			scheme, rest = known, endpoint[len(known):]
		}
	}
	u, failed := url.Parse("//" + rest)
	if failed != nil || u.Host != rest || u.User != nil || u.Hostname() == "" || strings.ContainsAny(rest, "/?#@\\ %") {
		return "", false, false, bad
	}
	host := u.Hostname()
	port = u.Port()
	if ip := net.ParseIP(host); ip != nil {
		v4 := ip.To4()
		loopback = (v4 != nil && v4[0] == 127) || (v4 == nil && ip.IsLoopback())
	} else {
		if strings.Contains(host, ":") {
			return "", false, false, bad
		}
		loopback = host == "localhost"
	}
	switch scheme {
	case "https://":
		secure = true
		if port == "" {
			port = "443"
		}
	case "http://":
		if port == "" {
			port = "80"
		}
	default:
		secure = !loopback
	}
	if n, failed := strconv.Atoi(port); failed != nil || n < 1 || n > 65535 {
		return "", false, false, bad
	}
	return "dns:///" + net.JoinHostPort(host, port), secure, loopback, nil
}

func (s *settings) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	pem := s.ca
	if pem == nil {
		if file := or(s.caFile, "AGENTGUARD_CA_FILE"); file != "" {
			var err error
			if pem, err = os.ReadFile(file); err != nil {
				return nil, configuration("the file of trusted roots cannot be read")
			}
		}
	}
	if pem != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, configuration("the trusted roots hold no certificate")
		}
	}
	cert, key := or(s.certFile, "AGENTGUARD_CLIENT_CERT_FILE"), or(s.keyFile, "AGENTGUARD_CLIENT_KEY_FILE")
	if (cert == "") != (key == "") {
		return nil, configuration("a client certificate needs its file and its key's file")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, configuration("the client certificate and its key cannot be used")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (c *connection) close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.conn.Close()
}

func (c *connection) outgoing(ctx context.Context, requestID string, try int) context.Context {
	md := metadata.Pairs(c.header, c.key, "x-request-id", requestID)
	if try > 0 {
		md.Set("x-agentguard-attempt", strconv.Itoa(try))
	}
	return metadata.NewOutgoingContext(ctx, md)
}

// failure turns what the library gave into an Error; only the caller's own cancellation stays as it is.
func (c *connection) failure(ctx context.Context, err error, trailer metadata.MD, requestID string) error {
	if ctx.Err() == context.Canceled {
		return ctx.Err()
	}
	if c.closed.Load() {
		return clientClosed(requestID)
	}
	return fromStatus(status.Convert(err), trailer, requestID)
}

// call makes one call, with its tries.
func (c *connection) call(ctx context.Context, method string, request, answer proto.Message, retry bool, o *callOptions) error {
	if c.closed.Load() {
		return clientClosed(o.requestID)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeoutOr(c.timeout))
	defer cancel()
	for try := 0; ; try++ {
		var trailer metadata.MD
		proto.Reset(answer)
		err := c.conn.Invoke(c.outgoing(ctx, o.requestID, try), method, request, answer, grpc.Trailer(&trailer))
		if err == nil {
			return nil
		}
		failed := c.failure(ctx, err, trailer, o.requestID)
		if e, ours := failed.(*Error); !ours || !retry || e.Code != codeName(codes.Unavailable) || try+1 == tries || c.closed.Load() {
			return failed
		}
		if !pause(ctx, trailer) {
			if ctx.Err() == context.Canceled {
				return ctx.Err()
			}
			return failed
		}
	}
}

// pause waits before the next try; false if there is to be none.
func pause(ctx context.Context, trailer metadata.MD) bool {
	wait, told := pushback(trailer)
	if !told {
		wait = 25*time.Millisecond + mrand.N(225*time.Millisecond)
	}
	if end, limited := ctx.Deadline(); wait < 0 || (limited && time.Until(end) <= wait) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newID makes a UUIDv7.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the program instead
	ms := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint16(b[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(ms))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
