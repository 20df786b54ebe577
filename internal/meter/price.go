package meter

import "github.com/situ-dev/situ/internal/wire"

// Price is what time costs. Requests cost the same whether callers wait or not,
// and are left out.
type Price struct {
	MemoryMB int     // of one instance of a function
	GBSecond float64 // of one GB for one second
}

// DefaultPrice is the price of AWS Lambda: x86, us-east-1, the first tier, with
// the smallest memory (https://aws.amazon.com/lambda/pricing/).
var DefaultPrice = Price{MemoryMB: 128, GBSecond: 0.0000166667}

// Of returns what it costs to be billed for d.
func (p Price) Of(d wire.Time) float64 {
	return float64(d) / 1e9 * float64(p.MemoryMB) / 1024 * p.GBSecond
}

// Waited returns for how long calls waited that were answered: from when they
// were made, less what ran for them.
func (c *Counts) Waited() wire.Time { return wire.Time(c.Wall - min(c.Own, c.Wall)) }
