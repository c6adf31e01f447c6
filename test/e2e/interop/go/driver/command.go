package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/open-telemetry/opamp-go/client"
	"github.com/open-telemetry/opamp-go/client/types"
	"github.com/open-telemetry/opamp-go/protobufs"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// command is one line of stdin: a verb and what it needs. Message holds the protobuf JSON form
// of the message the verb sets.
type command struct {
	ID      int             `json:"id"`
	Do      string          `json:"do"`
	Message json.RawMessage `json:"message"`
	Value   string          `json:"value"` // a bit set, decimal or 0x…
	Start   *startCommand   `json:"start"`
	Answer  *answer         `json:"answer"`
}

// startCommand says whom to call and as whom. Everything not given keeps the client's default.
type startCommand struct {
	URL                string            `json:"url"` // ws, wss, http or https
	InstanceUID        string            `json:"instanceUid"`
	Headers            map[string]string `json:"headers"`
	Capabilities       string            `json:"capabilities"`
	Flags              string            `json:"flags"`
	HeartbeatMs        *int64            `json:"heartbeatMs"`
	Compression        bool              `json:"compression"`
	CAPem              string            `json:"caPem"`
	Description        json.RawMessage   `json:"description"`
	Health             json.RawMessage   `json:"health"`
	RemoteConfigStatus json.RawMessage   `json:"remoteConfigStatus"`
	CustomCapabilities json.RawMessage   `json:"customCapabilities"`
	Components         json.RawMessage   `json:"availableComponents"`
}

// answer is what the agent does with a remote configuration it is handed.
type answer struct {
	Mode         string `json:"mode"`    // apply, fail or hold
	Error        string `json:"error"`   // fail: the text it reports
	DelayMs      int64  `json:"delayMs"` // between APPLYING and the verdict
	SkipApplying bool   `json:"skipApplying"`
}

func (a *agent) perform(cmd command) error {
	switch cmd.Do {
	case "start":
		if cmd.Start == nil {
			return errors.New("start needs its settings")
		}
		return a.start(*cmd.Start)
	case "answer":
		return a.setAnswer(cmd.Answer)
	case "effective":
		// Also before start: the first report carries it.
		return a.setEffective(cmd.Message)
	}
	if a.client == nil {
		return fmt.Errorf("%q needs a started client", cmd.Do)
	}
	switch cmd.Do {
	case "stop":
		return a.stop()
	case "description":
		return with(cmd.Message, &protobufs.AgentDescription{}, a.client.SetAgentDescription)
	case "health":
		return with(cmd.Message, &protobufs.ComponentHealth{}, a.client.SetHealth)
	case "status":
		return with(cmd.Message, &protobufs.RemoteConfigStatus{}, a.client.SetRemoteConfigStatus)
	case "customCapabilities":
		return with(cmd.Message, &protobufs.CustomCapabilities{}, a.client.SetCustomCapabilities)
	case "availableComponents":
		return with(cmd.Message, &protobufs.AvailableComponents{}, a.client.SetAvailableComponents)
	case "connectionSettingsRequest":
		return with(cmd.Message, &protobufs.ConnectionSettingsRequest{}, a.client.RequestConnectionSettings)
	case "customMessage":
		return with(cmd.Message, &protobufs.CustomMessage{}, a.sendCustomMessage)
	case "capabilities":
		bits, err := parseBits(cmd.Value)
		if err != nil {
			return err
		}
		capabilities := protobufs.AgentCapabilities(bits)
		return a.client.SetCapabilities(&capabilities)
	case "flags":
		bits, err := parseBits(cmd.Value)
		if err != nil {
			return err
		}
		a.client.SetFlags(protobufs.AgentToServerFlags(bits))
		return nil
	}
	return fmt.Errorf("unknown command %q", cmd.Do)
}

func (a *agent) sendCustomMessage(message *protobufs.CustomMessage) error {
	sent, err := a.client.SendCustomMessage(message)
	if err == nil {
		<-sent
	}
	return err
}

// with decodes the protobuf JSON of a command into its message and hands it on.
func with[M proto.Message](raw json.RawMessage, message M, use func(M) error) error {
	if err := protojson.Unmarshal(raw, message); err != nil {
		return err
	}
	return use(message)
}

func (s startCommand) settings() (types.StartSettings, error) {
	uid, err := uuid.Parse(s.InstanceUID)
	if err != nil {
		return types.StartSettings{}, fmt.Errorf("instanceUid: %w", err)
	}
	settings := types.StartSettings{
		OpAMPServerURL:    s.URL,
		Header:            http.Header{},
		InstanceUid:       types.InstanceUid(uid),
		EnableCompression: s.Compression,
	}
	for name, value := range s.Headers {
		settings.Header.Set(name, value)
	}
	if s.HeartbeatMs != nil {
		interval := time.Duration(*s.HeartbeatMs) * time.Millisecond
		settings.HeartbeatInterval = &interval
	}
	if s.CAPem != "" {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(s.CAPem)) {
			return types.StartSettings{}, errors.New("caPem holds no certificate")
		}
		settings.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	if s.RemoteConfigStatus != nil {
		settings.RemoteConfigStatus = &protobufs.RemoteConfigStatus{}
		if err := protojson.Unmarshal(s.RemoteConfigStatus, settings.RemoteConfigStatus); err != nil {
			return types.StartSettings{}, fmt.Errorf("remoteConfigStatus: %w", err)
		}
	}
	return settings, nil
}

// prepare hands the client what must be known before it starts.
func (s startCommand) prepare(starting client.OpAMPClient) error {
	bits, err := parseBits(s.Capabilities)
	if err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	flags, err := parseBits(s.Flags)
	if err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	capabilities := protobufs.AgentCapabilities(bits)
	starting.SetFlags(protobufs.AgentToServerFlags(flags))
	description := s.Description
	if description == nil {
		description = json.RawMessage(`{}`)
	}
	errs := []error{with(description, &protobufs.AgentDescription{}, starting.SetAgentDescription)}
	if s.Health != nil {
		errs = append(errs, with(s.Health, &protobufs.ComponentHealth{}, starting.SetHealth))
	}
	if s.CustomCapabilities != nil {
		errs = append(errs, with(s.CustomCapabilities, &protobufs.CustomCapabilities{}, starting.SetCustomCapabilities))
	}
	if s.Components != nil {
		errs = append(errs, with(s.Components, &protobufs.AvailableComponents{}, starting.SetAvailableComponents))
	}
	// Last: the client refuses a capability whose state it does not know.
	return errors.Join(append(errs, starting.SetCapabilities(&capabilities))...)
}

func parseBits(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 0, 64)
}
