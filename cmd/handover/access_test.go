package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSecretKey(t *testing.T) {
	t.Parallel()

	t.Run("it is made once, whoever comes first, and is for its owner alone", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "kept", "secret.key")
		texts := make([]string, 20)
		var starting sync.WaitGroup
		for i := range texts {
			starting.Go(func() {
				var err error
				if texts[i], err = keptSecret(path); err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		for _, text := range texts {
			if text != texts[0] {
				t.Fatalf("got %q and %q", texts[0], text)
			}
		}
		if secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(texts[0])); err != nil || len(secret) != secretLength {
			t.Errorf("got %d bytes: %v", len(secret), err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("others can read it: %v %v", info.Mode(), err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("left are %v: %v", entries, err)
		}
	})

	t.Run("what is no key is refused, and not told", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range []string{"canary", base64.StdEncoding.EncodeToString([]byte("canary, too short")), strings.Repeat("canary", 20)} {
			_, err := accessFlags{SecretKey: wrong}.access("http://127.0.0.1:8080")
			if err == nil || strings.Contains(err.Error(), wrong) {
				t.Errorf("%q: got %v", wrong, err)
			}
			good := base64.StdEncoding.EncodeToString(make([]byte, secretLength))
			if _, err := (accessFlags{SecretKey: good, PreviousKeys: []string{good, wrong}}).access("http://127.0.0.1:8080"); err == nil || strings.Contains(err.Error(), wrong) {
				t.Errorf("%q: got %v", wrong, err)
			}
			if access, err := (accessFlags{SecretKey: good, PreviousKeys: []string{good, good}}).access("http://127.0.0.1:8080"); err != nil || len(access.PreviousSecrets) != 2 {
				t.Errorf("got %v", err)
			}
		}
	})

	t.Run("the link is a URL with one token in it", func(t *testing.T) {
		t.Parallel()
		key := base64.StdEncoding.EncodeToString(make([]byte, secretLength))
		for link, good := range map[string]bool{
			"": true, "https://portal.example/welcome?t={token}": true, "https://portal.example/#/invited/{token}": true, "http://localhost:3000/{token}": true,
			"https://portal.example/": false, "/invitations/{token}": false, "portal.example/{token}": false, "javascript:alert('{token}')": false,
			"https://portal.example/{token}/{token}": false, "https://{token}": false, "https://{token}.example/": false, "https://{token}@portal.example/": false, "https:///{token}": false,
		} {
			access, err := accessFlags{InvitationURL: link, SecretKey: key}.access("http://127.0.0.1:8080/")
			if (err == nil) != good {
				t.Errorf("%q: got %v", link, err)
			}
			if link == "" && access.InvitationLink != "http://127.0.0.1:8080/invitations/{token}" {
				t.Errorf("got %s", access.InvitationLink)
			}
		}
	})
}
