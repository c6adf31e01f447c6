package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// opamp-go itself waits 5 s for the server to close the WebSocket.
const stopTimeout = 10 * time.Second

// agent owns at most one client at a time. Commands arrive on one goroutine; callbacks on others,
// which may touch only what mu guards.
type agent struct {
	printed *printer
	client  client.OpAMPClient

	mu        sync.Mutex
	answer    answer
	effective *protobufs.EffectiveConfig
}

func newAgent(printed *printer) *agent {
	return &agent{printed: printed, answer: answer{Mode: "apply"}}
}

func (a *agent) start(wanted startCommand) error {
	if a.client != nil {
		return fmt.Errorf("already started")
	}
	settings, err := wanted.settings()
	if err != nil {
		return err
	}
	target, err := url.Parse(wanted.URL)
	if err != nil {
		return err
	}
	switch target.Scheme {
	case "ws", "wss":
		a.client = client.NewWebSocket(clientLog{a.printed})
	case "http", "https":
		a.client = client.NewHTTP(clientLog{a.printed})
	default:
		return fmt.Errorf("no transport for scheme %q", target.Scheme)
	}
	settings.Callbacks = a.callbacks(a.client)
	if err := wanted.prepare(a.client); err != nil {
		a.client = nil
		return err
	}
	if err := a.client.Start(context.Background(), settings); err != nil {
		a.client = nil
		return err
	}
	return nil
}

func (a *agent) stop() error {
	if a.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := a.client.Stop(ctx)
	a.client = nil
	return err
}

func (a *agent) setAnswer(wanted *answer) error {
	if wanted == nil {
		return fmt.Errorf("answer needs its settings")
	}
	switch wanted.Mode {
	case "apply", "fail", "hold":
	default:
		return fmt.Errorf("unknown answer mode %q", wanted.Mode)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = *wanted
	return nil
}

func (a *agent) setEffective(raw json.RawMessage) error {
	message := &protobufs.EffectiveConfig{}
	if err := protojson.Unmarshal(raw, message); err != nil {
		return err
	}
	a.mu.Lock()
	a.effective = message
	a.mu.Unlock()
	if a.client == nil {
		return nil
	}
	return a.client.UpdateEffectiveConfig(context.Background())
}

func (a *agent) callbacks(of client.OpAMPClient) types.Callbacks {
	return types.Callbacks{
		OnConnect: func(context.Context) { a.printed.print("connect", nil) },
		OnConnectFailed: func(_ context.Context, err error) {
			a.printed.print("connectFailed", map[string]any{"error": err.Error()})
		},
		OnError: func(_ context.Context, response *protobufs.ServerErrorResponse) {
			a.printed.print("error", map[string]any{"message": protoJSON(response)})
		},
		OnMessage: func(ctx context.Context, data *types.MessageData) { a.onMessage(ctx, of, data) },
		OnOpampConnectionSettings: func(_ context.Context, settings *protobufs.OpAMPConnectionSettings) error {
			a.printed.print("opampConnectionSettings", map[string]any{"message": protoJSON(settings)})
			return nil
		},
		OnConnectionSettings: func(_ context.Context, settings *protobufs.ConnectionSettingsOffers) error {
			a.printed.print("connectionSettings", map[string]any{"message": protoJSON(settings)})
			return nil
		},
		OnCommand: func(_ context.Context, command *protobufs.ServerToAgentCommand) error {
			a.printed.print("command", map[string]any{"message": protoJSON(command)})
			return nil
		},
		SaveRemoteConfigStatus: func(_ context.Context, status *protobufs.RemoteConfigStatus) {
			a.printed.print("saveRemoteConfigStatus", map[string]any{"message": protoJSON(status)})
		},
		GetEffectiveConfig: func(context.Context) (*protobufs.EffectiveConfig, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.effective, nil
		},
	}
}

func (a *agent) onMessage(ctx context.Context, from client.OpAMPClient, data *types.MessageData) {
	fields := map[string]any{}
	for name, message := range map[string]proto.Message{
		"remoteConfig":        data.RemoteConfig,
		"ownMetrics":          data.OwnMetricsConnSettings,
		"ownTraces":           data.OwnTracesConnSettings,
		"ownLogs":             data.OwnLogsConnSettings,
		"packagesAvailable":   data.PackagesAvailable,
		"agentIdentification": data.AgentIdentification,
		"customCapabilities":  data.CustomCapabilities,
		"customMessage":       data.CustomMessage,
	} {
		if message.ProtoReflect().IsValid() {
			fields[name] = protoJSON(message)
		}
	}
	a.printed.print("message", fields)
	if data.RemoteConfig != nil {
		// Off the callback: the client must keep reading while a slow apply goes on.
		go a.answerTo(ctx, data.RemoteConfig, from)
	}
}

// answerTo plays an agent that applies what it was handed, or refuses it, as the test ordered.
func (a *agent) answerTo(ctx context.Context, offered *protobufs.AgentRemoteConfig, to client.OpAMPClient) {
	a.mu.Lock()
	ordered := a.answer
	a.mu.Unlock()
	if ordered.Mode == "hold" {
		return
	}
	report := func(status protobufs.RemoteConfigStatuses, text string) {
		err := to.SetRemoteConfigStatus(&protobufs.RemoteConfigStatus{
			LastRemoteConfigHash: offered.GetConfigHash(), Status: status, ErrorMessage: text,
		})
		if err != nil {
			a.printed.print("fault", map[string]any{"error": err.Error()})
		}
	}
	if !ordered.SkipApplying {
		report(protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLYING, "")
	}
	if ordered.DelayMs > 0 {
		time.Sleep(time.Duration(ordered.DelayMs) * time.Millisecond)
	}
	if ordered.Mode == "fail" {
		report(protobufs.RemoteConfigStatuses_RemoteConfigStatuses_FAILED, ordered.Error)
		return
	}
	a.mu.Lock()
	a.effective = &protobufs.EffectiveConfig{ConfigMap: offered.GetConfig()}
	a.mu.Unlock()
	if err := to.UpdateEffectiveConfig(ctx); err != nil {
		a.printed.print("fault", map[string]any{"error": err.Error()})
	}
	report(protobufs.RemoteConfigStatuses_RemoteConfigStatuses_APPLIED, "")
}

func protoJSON(message proto.Message) json.RawMessage {
	encoded, err := protojson.Marshal(message)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	return encoded
}

// clientLog turns the client's own log into events, so that a test can see what it complained of.
type clientLog struct{ printed *printer }

func (l clientLog) Debugf(_ context.Context, format string, args ...any) {
	l.printed.print("log", map[string]any{"level": "debug", "text": fmt.Sprintf(format, args...)})
}

func (l clientLog) Errorf(_ context.Context, format string, args ...any) {
	l.printed.print("log", map[string]any{"level": "error", "text": fmt.Sprintf(format, args...)})
}
