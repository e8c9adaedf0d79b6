// Command registry is the OCI registry that tests pull charts from: the CNCF's distribution, with a token service of its own.
//
//	registry --dir DIR [--address HOST:PORT] [--auth none|basic|token] [--user NAME --password WORD] [--cert FILE --key FILE]
//
// It prints "ready HOST:PORT" and ends when its stdin closes, which the kernel sees to however its owner ends. With --auth token the
// service that gives tokens is the same server's /auth/token, which asks for the user and the password (basic).
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"

	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

const (
	issuer  = "retune-tests"
	service = "registry"
	keyID   = "test-key"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "where blobs are kept")
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	auth := flag.String("auth", "none", "none, basic or token")
	user := flag.String("user", "", "who may pull and push")
	password := flag.String("password", "", "that user's password")
	cert := flag.String("cert", "", "certificate chain (PEM): speak TLS")
	key := flag.String("key", "", "its key (PEM)")
	flag.Parse()
	if *dir == "" {
		return fmt.Errorf("--dir is needed")
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	logrus.SetLevel(logrus.ErrorLevel)
	logrus.SetOutput(os.Stderr)

	config := &configuration.Configuration{}
	config.Version = "0.1"
	config.Log.Level = "error"
	config.Log.AccessLog.Disabled = true
	config.HTTP.Secret = "only for tests"
	config.Storage = configuration.Storage{
		"filesystem": configuration.Parameters{"rootdirectory": filepath.Join(*dir, "data")},
		"delete":     configuration.Parameters{"enabled": true},
	}
	mux := http.NewServeMux()
	switch *auth {
	case "none":
	case "basic":
		hash, err := bcrypt.GenerateFromPassword([]byte(*password), bcrypt.MinCost)
		if err != nil {
			return err
		}
		file := filepath.Join(*dir, "htpasswd")
		if err := os.WriteFile(file, []byte(*user+":"+string(hash)+"\n"), 0o600); err != nil {
			return err
		}
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "tests", "path": file}}
	case "token":
		signer, keys, err := newSigner(*dir)
		if err != nil {
			return err
		}
		config.Auth = configuration.Auth{"token": configuration.Parameters{
			"realm": "unused", "autoredirect": true, "issuer": issuer, "service": service, "jwks": keys,
		}}
		mux.HandleFunc("/auth/token", func(w http.ResponseWriter, r *http.Request) {
			giveToken(w, r, signer, *user, *password)
		})
	default:
		return fmt.Errorf("--auth %s: there are none, basic and token", *auth)
	}
	mux.Handle("/", handlers.NewApp(context.Background(), config))

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println("ready", listener.Addr())
	if *cert != "" {
		return http.ServeTLS(listener, mux, *cert, *key)
	}
	return http.Serve(listener, mux)
}

// newSigner makes a key and the file of its public half.
func newSigner(dir string) (jose.Signer, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: keyID, Algorithm: "ES256", Use: "sig"}}}
	text, err := json.Marshal(public)
	if err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, "", err
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	return signer, file, err
}

// giveToken grants what is asked for (scope=repository:NAME:pull,push) to the one user there is.
func giveToken(w http.ResponseWriter, r *http.Request, signer jose.Signer, user, password string) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name, word, ok := r.BasicAuth()
	if r.Form.Get("grant_type") == "password" {
		name, word, ok = r.Form.Get("username"), r.Form.Get("password"), true
	}
	if !ok || name != user || word != password {
		w.Header().Set("WWW-Authenticate", `Basic realm="tokens"`)
		http.Error(w, `{"details":"incorrect username or password"}`, http.StatusUnauthorized)
		return
	}
	var access []*token.ResourceActions
	for _, scopes := range r.Form["scope"] {
		for _, scope := range strings.Fields(scopes) {
			if parts := strings.Split(scope, ":"); len(parts) == 3 {
				access = append(access, &token.ResourceActions{Type: parts[0], Name: parts[1], Actions: strings.Split(parts[2], ",")})
			}
		}
	}
	now := time.Now()
	claims := token.ClaimSet{
		Issuer: issuer, Subject: name, Audience: token.AudienceList{service}, JWTID: fmt.Sprint(now.UnixNano()),
		Expiration: now.Add(5 * time.Minute).Unix(), NotBefore: now.Add(-time.Minute).Unix(), IssuedAt: now.Unix(), Access: access,
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token": text, "access_token": text, "expires_in": 300})
}
