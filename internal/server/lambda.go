package server

import (
	"context"

	"github.com/situ-dev/situ/internal/lambda"
)

// openLambda opens the Lambda side, if there is one: what it has for the engine
// joins the platform's own components.
func (s *Server) openLambda() (err error) {
	if s.cfg.Lambda == nil {
		return nil
	}
	if s.lambda, err = lambda.Open(*s.cfg.Lambda); err != nil {
		return err
	}
	s.cfg.Platform.More = append(s.cfg.Platform.More, s.lambda.Components()...)
	return nil
}

// runLambda serves it until ctx is done.
func (s *Server) runLambda(ctx context.Context) error {
	if s.lambda == nil {
		return nil
	}
	return s.lambda.Run(ctx, s.node, s.node)
}

// closeLambda ends the processes of its functions.
func (s *Server) closeLambda() {
	if s.lambda != nil {
		s.lambda.Close()
	}
}

// Lambda returns the address of the Lambda API, "" if there is none.
func (s *Server) Lambda() string {
	if s.lambda == nil {
		return ""
	}
	return s.lambda.Addr()
}
