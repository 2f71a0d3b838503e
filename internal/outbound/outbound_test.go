package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A name that leads to a private address is refused, unless that is said to be right.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"127.0.0.1:443": false, "10.0.0.8:443": false, "192.168.1.1:443": false, "172.16.0.1:443": false, "169.254.169.254:80": false,
		"100.64.0.1:443": false, "0.0.0.0:80": false, "[::1]:443": false, "[fd00::1]:443": false, "[fe80::1]:443": false,
		"[::ffff:10.0.0.8]:443": false, "224.0.0.1:443": false, "93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true,
	} {
		if err := refusePrivate(t.Context(), "tcp", address, nil); (err == nil) != public {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"https://host.example.org/path": nil, "http://127.0.0.1:8090": nil, "http://localhost": nil, "http://[::1]:1": nil,
		"http://host.example.org": ErrClear, "host.example.org": ErrAddress, "ftp://host.example.org": ErrAddress, "https://": ErrAddress,
		"https://user@host.example.org": ErrAddress, "https://host.example.org?a=b": ErrAddress, "https://host.example.org#a": ErrAddress, "https://[": ErrAddress,
	} {
		if _, err := ReadURL(text, false); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%q: got %v", text, err)
		}
	}
	if _, err := ReadURL("http://host.example.org", true); err != nil {
		t.Errorf("got %v in a private network", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := NewClient("127.0.0.1", false, time.Second).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusFound || asked != 1 {
		t.Errorf("got %d after %d requests", response.StatusCode, asked)
	}
	named := strings.Replace(server.URL, "127.0.0.1", "localhost.", 1) // a name that is not localhost, and leads to it
	if request, err = http.NewRequestWithContext(t.Context(), http.MethodGet, named, nil); err != nil {
		t.Fatal(err)
	}
	response, err = NewClient("localhost.", false, time.Second).Do(request)
	if err == nil {
		response.Body.Close()
	}
	if !errors.Is(err, ErrPrivate) && (err == nil || !strings.Contains(err.Error(), "no such host")) {
		t.Errorf("got %v of a name that leads here", err)
	}
}
