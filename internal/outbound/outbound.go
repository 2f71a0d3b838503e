// Package outbound makes the HTTP clients that speak to configured hosts: they follow no redirects, wait for a bounded time, and
// refuse names that lead to private addresses unless that is said to be right.
package outbound

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Mistakes in the address of a host.
var (
	// ErrAddress tells of something that is no plain http or https URL.
	ErrAddress = errors.New("it is not an address such as https://host.example.org/path")
	// ErrClear tells of an address that would be spoken to in clear.
	ErrClear = errors.New("it is to begin with https://")
)

// ErrPrivate tells of a name that led to an address which is not public.
var ErrPrivate = errors.New("its name leads to a private address")

// ReadURL reads the address of a host. In clear it is spoken to only within the machine or a network that is said to be private.
func ReadURL(text string, private bool) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" || address.User != nil || address.RawQuery != "" || address.Fragment != "" || address.Scheme != "https" && address.Scheme != "http" {
		return nil, ErrAddress
	}
	if address.Scheme == "http" && !private && !NamesPrivate(address.Hostname()) {
		return nil, ErrClear
	}
	return address, nil
}

// NewClient makes a client for one host. private says that its name may lead to a private address; a host that is such an address
// itself was meant to be called. timeout bounds connecting; the caller bounds the whole.
func NewClient(host string, private bool, timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: timeout}
	if !private && !NamesPrivate(host) {
		dialer.ControlContext = refusePrivate
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8, MaxConnsPerHost: 16,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// refusePrivate ends a connection before it is made where the name led to an address that is not public. It sees the
// address that is really used: a name that is looked up once and again may lead elsewhere.
func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !isPublic(to.Addr()) {
		return ErrPrivate
	}
	return nil
}

// NamesPrivate tells whether a host itself is a private address, and so meant to be called where it is configured.
func NamesPrivate(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && !isPublic(address)
}

// sharedSpace is that of carriers (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(address netip.Addr) bool {
	address = address.Unmap()
	return address.IsGlobalUnicast() && !address.IsPrivate() && !sharedSpace.Contains(address)
}
