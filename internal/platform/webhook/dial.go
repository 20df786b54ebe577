package webhook

import (
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/situ-dev/situ/internal/fault"
)

// private is what nobody outside may have the platform connect to, besides what
// netip knows of: networks of providers, of documents and of tests, and addresses
// that hide others.
var private = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

// admit returns why there is to be no connection to an address. The error is of
// kind fault.Invalid.
func (c *Config) admit(to netip.AddrPort) error {
	ip := to.Addr().Unmap().WithZone("") // ::ffff:10.0.0.1 is 10.0.0.1
	if contains(c.Allow, ip) {
		return nil
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || contains(private, ip) {
		return fault.New(fault.Invalid, "callback URL", "", "%v is no public address: --webhook-allow admits it", ip)
	}
	if !public(to.Port()) {
		return badPort(to.String())
	}
	return nil
}

func badPort(on string) error {
	return fault.New(fault.Invalid, "callback URL", on, "only the ports 80 and 443 are posted to: --webhook-allow admits all ports of an address")
}

func public(port uint16) bool { return port == 80 || port == 443 }

// allowsPort reports whether any address may have that port.
func (c *Config) allowsPort(port uint16) bool { return public(port) || len(c.Allow) > 0 }

func contains(all []netip.Prefix, ip netip.Addr) bool {
	for _, p := range all {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// transport returns what connects only to addresses that are admitted. They are
// looked at when the connection is made: what a name means may change.
func (c *Config) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fault.New(fault.Invalid, "callback URL", "", "the address cannot be read")
		}
		return c.admit(to)
	}}
	return &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: maxAnswer, MaxIdleConns: 64, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}
}
