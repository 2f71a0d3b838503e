package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	toxic "github.com/Shopify/toxiproxy/v2/client"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// proxies is a toxiproxy within the test.
type proxies struct {
	client *toxic.Client
	listen map[*toxic.Proxy]string // where each listens: its own fields are written whenever it is saved
}

func newProxies(t testing.TB) *proxies {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // which its toxics log with
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	http := httptest.NewServer(server.Routes())
	t.Cleanup(func() {
		_ = server.Collection.Clear() // nothing to lose
		http.Close()
	})
	return &proxies{toxic.NewClient(strings.TrimPrefix(http.URL, "http://")), map[*toxic.Proxy]string{}}
}

// through makes a proxy to an address.
func (p *proxies) through(t testing.TB, name, upstream string) *toxic.Proxy {
	t.Helper()
	made, err := p.client.CreateProxy(name, "127.0.0.1:0", upstream)
	if err != nil {
		t.Fatal(err)
	}
	p.listen[made] = made.Listen
	return made
}

// poison is what a connection suffers from, by name.
type poison struct {
	name       string
	kind       string
	attributes toxic.Attributes
}

// anyPoison draws one.
func anyPoison(random *rand.Rand) poison {
	upTo := func(least, most int) int { return least + random.IntN(most-least+1) }
	switch random.IntN(7) {
	case 0:
		return poison{"latency", "latency", toxic.Attributes{"latency": upTo(10, 400), "jitter": upTo(0, 200)}}
	case 1:
		return poison{"narrow", "bandwidth", toxic.Attributes{"rate": upTo(10, 300)}}
	case 2:
		return poison{"truncated", "limit_data", toxic.Attributes{"bytes": upTo(1, 20_000)}}
	case 3:
		return poison{"sliced", "slicer", toxic.Attributes{"average_size": upTo(10, 200), "size_variation": 9, "delay": upTo(10, 500)}}
	case 4:
		return poison{"stalled", "timeout", toxic.Attributes{"timeout": 0}}
	case 5:
		return poison{"stalled, then cut", "timeout", toxic.Attributes{"timeout": upTo(100, 3000)}}
	default:
		return poison{"reset", "reset_peer", toxic.Attributes{"timeout": upTo(0, 500)}}
	}
}

// apply poisons a direction of a proxy until the function that it gives is called.
func (p poison) apply(on *toxic.Proxy, direction string, toxicity float32) (heal func(), err error) {
	name := fmt.Sprintf("%s-%s", p.kind, direction)
	if _, err := on.AddToxic(name, p.kind, direction, toxicity, p.attributes); err != nil {
		return nil, err
	}
	return func() { _ = on.RemoveToxic(name) }, nil // it may be gone
}
