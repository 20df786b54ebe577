// Command awslambda is a function of AWS Lambda, as it is: it knows nothing of
// Situ, which runs it from the file bootstrap that it is built into.
//
//	situ deploy examples/awslambda
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Order is what somebody buys.
type Order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
	Cents int    `json:"cents"` // of one
}

// Receipt is what it costs.
type Receipt struct {
	Item    string `json:"item"`
	Cents   int    `json:"cents"`
	Request string `json:"request"`
}

func price(ctx context.Context, o Order) (Receipt, error) {
	if o.Count < 1 {
		return Receipt{}, errors.New("count is to be at least 1")
	}
	r := Receipt{Item: o.Item, Cents: o.Count * o.Cents}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.Request = lc.AwsRequestID
	}
	return r, nil
}

func main() { lambda.Start(price) }
