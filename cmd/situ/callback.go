package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/situ-dev/situ/internal/api"
)

func callbackCommand(c *console) *cobra.Command {
	var result, fail, code string
	var beat bool
	cmd := &cobra.Command{
		Use:   "callback TOKEN",
		Short: "Answer a call that waits for a callback token",
		Long: `Callback answers for whoever has a callback token, once: with a result, or with
an error. A heartbeat says that the answer is still to come. Without a flag it
shows what is waited for.

The result is JSON, or @FILE, or - for the standard input.`,
		Example: `  situ callback TOKEN
  situ callback TOKEN --result '{"by":"eve","ok":true}'
  situ callback TOKEN --fail 'nobody is there' --code absent
  situ callback TOKEN --heartbeat`,
		Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a api.Answer
			said := 0
			for _, name := range []string{"result", "fail", "heartbeat"} {
				if cmd.Flags().Changed(name) {
					said++
				}
			}
			switch {
			case said > 1:
				return usage("--result, --fail and --heartbeat are different answers: give one of them")
			case code != "" && !cmd.Flags().Changed("fail"):
				return usage("--code is of an error: give --fail MESSAGE, too")
			case cmd.Flags().Changed("fail"):
				a.Error = &api.AnswerError{Code: code, Message: fail}
			case beat:
				a.Heartbeat = true
			case cmd.Flags().Changed("result"):
				text, err := c.input(result)
				if err != nil {
					return err
				}
				if a.Result = text; len(text) == 0 {
					return usage("--result is empty: say null if the result is nothing")
				}
			default:
				return c.showCallback(cmd, args[0])
			}
			return c.client().Answer(cmd.Context(), args[0], a)
		},
	}
	f := cmd.Flags()
	f.StringVar(&result, "result", "", "answer with this `JSON`")
	f.StringVar(&fail, "fail", "", "answer with an error that says this `MESSAGE`")
	f.StringVar(&code, "code", "", "the application's `CODE` of the error")
	f.BoolVar(&beat, "heartbeat", false, "say that the answer is still to come")
	return cmd
}

func (c *console) showCallback(cmd *cobra.Command, token string) error {
	cb, err := c.client().Callback(cmd.Context(), token)
	if err != nil {
		return err
	}
	if c.json {
		return c.machine(cb)
	}
	beat := ""
	if cb.HeartbeatS > 0 {
		beat = fmt.Sprintf("heartbeat  every %v, the last one at %s\n", time.Duration(cb.HeartbeatS*float64(time.Second)), cb.SilentSince.Format(time.RFC3339))
	}
	c.printf("waits since %s\nexpires     %s\n%s", cb.Created.Format(time.RFC3339), cb.Expires.Format(time.RFC3339), beat)
	if len(cb.Schema) > 0 {
		c.printf("result      ")
		return c.value(cb.Schema)
	}
	return nil
}
