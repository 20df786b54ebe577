package importer

import (
	"strings"
	"testing"

	"github.com/situ-dev/situ/internal/fault"
	"github.com/situ-dev/situ/internal/project"
	"github.com/situ-dev/situ/internal/strict"
)

const samText = `AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: nodejs22.x
    Timeout: 5
    Environment: {Variables: {LEVEL: info}}
Resources:
  OrderPrice:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ./price/
      Handler: index.handler
      MemorySize: 256
      ReservedConcurrentExecutions: 4
      Tracing: Active
      Environment:
        Variables:
          TABLE: !Ref Table
          WORD: hello
      EventInvokeConfig: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 3600}
      Events:
        Nightly: {Type: Schedule, Properties: {Schedule: cron(0 3 * * ? *)}}
        Often: {Type: Schedule, Properties: {Schedule: rate(5 minutes), Enabled: true}}
        Odd: {Type: Schedule, Properties: {Schedule: cron(0 3 ? * 2 *)}}
        Get: {Type: Api, Properties: {Path: /price, Method: get}}
  Report:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: report/, Handler: app.run, Runtime: python3.12, FunctionName: MonthlyReport}
  Old:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: old/, Handler: x, Runtime: java21}
  Table:
    Type: AWS::DynamoDB::Table
`

const samWant = `# price
name: order-price
kind: node
handler: index.handler
runtime: '22'
functions:
  order-price:
    timeout: 5s
    concurrency: 4
    retries: 0
    max-age: 3600s
limits:
  memory: 256MiB
env:
  LEVEL: info
  WORD: hello
schedules:
  nightly:
    cron: 0 3 * * *
    function: order-price
  often:
    every: 5m
    function: order-price
# report
name: monthly-report
kind: python
handler: app.run
runtime: '3.12'
functions:
  monthly-report:
    timeout: 5s
env:
  LEVEL: info
`

const serverlessText = `service: shop
frameworkVersion: '4'
provider:
  name: aws
  runtime: nodejs20.x
  memorySize: 128
  region: eu-west-1
functions:
  hello:
    handler: src/hello.handler
    timeout: 6
    environment: {A: b}
    events:
      - httpApi: 'GET /hello'
      - schedule: rate(1 hour)
      - sqs: arn:x
plugins: [serverless-offline]
`

const serverlessWant = `# src
name: shop-hello
kind: node
handler: hello.handler
runtime: '20'
functions:
  shop-hello:
    timeout: 6s
limits:
  memory: 128MiB
env:
  A: b
schedules:
  schedule-2:
    every: 1h
    function: shop-hello
`

const nuclioText = `apiVersion: nuclio.io/v1
kind: NuclioFunction
metadata: {name: Word-Count, namespace: nuclio}
spec:
  description: counts words
  runtime: python:3.9
  handler: main:handler
  env:
    - {name: LEVEL, value: debug}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: s, key: k}}}
  resources: {limits: {cpu: 500m, memory: 256Mi}}
  minReplicas: 0
  maxReplicas: 4
  eventTimeout: 30
  triggers:
    web: {kind: http, numWorkers: 8}
    tick: {kind: cron, attributes: {interval: 10s}}
    queue: {kind: kafka-cluster, attributes: {topics: [x]}}
  build: {commands: [pip install x]}
`

const nuclioWant = `# .
name: word-count
kind: python
handler: main.handler
runtime: '3.9'
functions:
  word-count:
    description: counts words
    timeout: 30s
    concurrency: 8
limits:
  memory: 256MiB
  cpu: 0.5
  workers: 4
env:
  LEVEL: debug
schedules:
  tick:
    every: 10s
    function: word-count
`

// A file becomes files that situ reads, and all else of it is listed.
func TestImport(t *testing.T) {
	for _, c := range []struct {
		format, text, want string
		left               []string
	}{
		{"sam", samText, samWant, []string{"f:19: Resources.OrderPrice.Properties.Environment.Variables.TABLE: it is worked out", "Odd.Properties.Schedule: the schedule", "f:26: Resources.OrderPrice.Properties.Events.Get: every function is called by POST /v1/functions/order-price",
			"Often.Properties.Enabled: it has no counterpart", "Tracing: it has no counterpart", "Resources.Old.Properties.Runtime: there is no runtime for java21", "Resources.Table: it has no counterpart"}},
		{"serverless", serverlessText, serverlessWant, []string{"provider.region: it has no counterpart", "functions.hello.events[0]: every function", "functions.hello.events[2]: there is no such trigger", "plugins: it has no counterpart"}},
		{"nuclio", nuclioText, nuclioWant, []string{"metadata.namespace: it has", "spec.runtime: handlers there are called with (context, event)", "spec.env[1]: it is no plain value", "spec.triggers.queue: there is no trigger of kind kafka-cluster", "spec.build: it has"}},
	} {
		res, err := Read(c.format, "f", []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		var got strings.Builder
		for _, f := range res.Functions {
			got.WriteString("# " + f.Dir + "\n" + f.YAML)
			var s project.Settings
			if err := strict.Decode([]byte(f.YAML), "f", &s); err != nil {
				t.Errorf("%s: situ does not read it: %v", c.format, err)
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: it is\n%s, want\n%s", c.format, got.String(), c.want)
		}
		all := strings.Join(res.Left, "\n")
		for _, want := range c.left {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %q is not in what was left:\n%s", c.format, want, all)
			}
		}
		if len(res.Left) != len(c.left) {
			t.Errorf("%s: %d things were left, want %d:\n%s", c.format, len(res.Left), len(c.left), all)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"sma", "", "did you mean sam?"},
		{"sam", "a: [", "it is no YAML"},
		{"sam", "", "it is empty"},
		{"sam", "Resources: {T: {Type: AWS::DynamoDB::Table}}", "there is no function of sam in it"},
		{"nuclio", "a: b", "there is no function of nuclio"},
		{"serverless", "functions: {}", "there is no function of serverless"},
		{"sam", "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Runtime: java21}}}", "none of its functions can run here"},
	} {
		if _, err := Read(c.format, "f", []byte(c.text)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q", c.format, c.text, err, c.want)
		}
	}
}

// FuzzImport reads anything as each format: no panic, no endless loop.
func FuzzImport(f *testing.F) {
	for _, text := range []string{samText, serverlessText, nuclioText, "Resources: &a {F: *a}", "a: &a [*a]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range Formats() {
			if _, err := Read(format, "f", []byte(text)); err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v is of kind %v", format, err, fault.KindOf(err))
			}
		}
	})
}
