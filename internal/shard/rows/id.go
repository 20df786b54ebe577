package rows

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"

	"github.com/situ-dev/situ/internal/wire"
)

// Names of invocations begin with the shard that has their record, in four hex
// digits: "0003-…".

// ID names the nth call that a shard took in the run that is called run.
func ID(shard wire.ShardID, run string, n uint64) wire.InvocationID {
	b := make([]byte, 0, 40)
	b = append(b, hex4(uint16(shard))...)
	b = append(b, '-')
	b = append(b, run...)
	b = append(b, '-')
	return wire.InvocationID(strconv.AppendUint(b, n, 36))
}

// KeyedID names a call by its target and its idempotency key.
func KeyedID(shard wire.ShardID, r *wire.Request) wire.InvocationID {
	sum := sha256.Sum256([]byte(strings.Join([]string{r.To.Type, r.To.Key, r.To.Method, r.Key}, "\x00")))
	name := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
	return wire.InvocationID(hex4(uint16(shard)) + "-" + strings.ToLower(name))
}

// Digest tells one input from another: 16 bytes of SHA-256 over the format and
// the bytes.
func Digest(p wire.Payload) []byte {
	sum := sha256.Sum256(append([]byte{byte(p.Format)}, p.Data...))
	return sum[:16]
}

func hex4(n uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}
