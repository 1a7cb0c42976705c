package main

import (
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// What --scoring gives: the parameters of peer scoring, and of the mesh that goes by it.
type scoringOptions struct {
	Mesh       map[string]float64
	Thresholds map[string]float64
	Params     map[string]float64
	Topics     map[string]map[string]float64
	Whitelist  []string
}

// Scores as pubsub tells of them every now and then, who is in which mesh, and what the application says of peers.
type scoreKeeper struct {
	mutex  sync.Mutex
	dumps  int
	scores map[peer.ID]float64
	meshes map[string]map[peer.ID]bool
	app    map[peer.ID]float64
}

const dumpInterval = 50 * time.Millisecond

func secondsOf(value float64) time.Duration { return time.Duration(value*1e9 + 0.5) }

func (k *scoreKeeper) options(text string) ([]pubsub.Option, error) {
	var of scoringOptions
	if err := json.Unmarshal([]byte(text), &of); err != nil {
		return nil, fmt.Errorf("--scoring: %w", err)
	}
	mesh := pubsub.DefaultGossipSubParams()
	mesh.D, mesh.Dlo, mesh.Dhi = int(of.Mesh["d"]), int(of.Mesh["d_low"]), int(of.Mesh["d_high"])
	mesh.Dscore, mesh.Dout = int(of.Mesh["d_score"]), int(of.Mesh["d_out"])
	mesh.HeartbeatInterval = secondsOf(of.Mesh["heartbeat"])
	mesh.IWantFollowupTime = secondsOf(of.Mesh["iwant_followup"])
	params, err := k.params(of)
	if err != nil {
		return nil, fmt.Errorf("--scoring: %w", err)
	}
	return []pubsub.Option{
		pubsub.WithGossipSubParams(mesh),
		pubsub.WithPeerScore(params, &pubsub.PeerScoreThresholds{
			GossipThreshold:             of.Thresholds["gossip"],
			PublishThreshold:            of.Thresholds["publish"],
			GraylistThreshold:           of.Thresholds["graylist"],
			AcceptPXThreshold:           of.Thresholds["accept_px"],
			OpportunisticGraftThreshold: of.Thresholds["opportunistic_graft"],
		}),
		pubsub.WithPeerScoreInspect(pubsub.PeerScoreInspectFn(k.keep), dumpInterval),
		pubsub.WithRawTracer(meshTracer{keeper: k}),
	}, nil
}

// As ../scores/probe_test.go reads them, which is a part of another package.
func (k *scoreKeeper) params(of scoringOptions) (*pubsub.PeerScoreParams, error) {
	params := &pubsub.PeerScoreParams{
		Topics:                      map[string]*pubsub.TopicScoreParams{},
		TopicScoreCap:               of.Params["topic_score_cap"],
		AppSpecificScore:            k.appScore,
		AppSpecificWeight:           of.Params["app_specific_weight"],
		IPColocationFactorWeight:    of.Params["ip_colocation_weight"],
		IPColocationFactorThreshold: int(of.Params["ip_colocation_threshold"]),
		BehaviourPenaltyWeight:      of.Params["behaviour_penalty_weight"],
		BehaviourPenaltyThreshold:   of.Params["behaviour_penalty_threshold"],
		BehaviourPenaltyDecay:       of.Params["behaviour_penalty_decay"],
		DecayInterval:               secondsOf(of.Params["decay_interval"]),
		DecayToZero:                 of.Params["decay_to_zero"],
		RetainScore:                 secondsOf(of.Params["retain_score"]),
		SeenMsgTTL:                  secondsOf(of.Params["seen_ttl"]),
	}
	for _, text := range of.Whitelist {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		params.IPColocationFactorWhitelist = append(params.IPColocationFactorWhitelist, network)
	}
	for name, topic := range of.Topics {
		params.Topics[name] = &pubsub.TopicScoreParams{
			TopicWeight:                     topic["weight"],
			TimeInMeshWeight:                topic["time_in_mesh_weight"],
			TimeInMeshQuantum:               secondsOf(topic["time_in_mesh_quantum"]),
			TimeInMeshCap:                   topic["time_in_mesh_cap"],
			FirstMessageDeliveriesWeight:    topic["first_message_deliveries_weight"],
			FirstMessageDeliveriesDecay:     topic["first_message_deliveries_decay"],
			FirstMessageDeliveriesCap:       topic["first_message_deliveries_cap"],
			MeshMessageDeliveriesWeight:     topic["mesh_message_deliveries_weight"],
			MeshMessageDeliveriesDecay:      topic["mesh_message_deliveries_decay"],
			MeshMessageDeliveriesCap:        topic["mesh_message_deliveries_cap"],
			MeshMessageDeliveriesThreshold:  topic["mesh_message_deliveries_threshold"],
			MeshMessageDeliveriesWindow:     secondsOf(topic["mesh_message_deliveries_window"]),
			MeshMessageDeliveriesActivation: secondsOf(topic["mesh_message_deliveries_activation"]),
			MeshFailurePenaltyWeight:        topic["mesh_failure_penalty_weight"],
			MeshFailurePenaltyDecay:         topic["mesh_failure_penalty_decay"],
			InvalidMessageDeliveriesWeight:  topic["invalid_message_deliveries_weight"],
			InvalidMessageDeliveriesDecay:   topic["invalid_message_deliveries_decay"],
		}
	}
	return params, nil
}

func (k *scoreKeeper) keep(scores map[peer.ID]float64) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.dumps++
	k.scores = scores
}

func (k *scoreKeeper) appScore(p peer.ID) float64 {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.app[p]
}

func (k *scoreKeeper) setAppScore(p peer.ID, value float64) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.app[p] = value
}

// The scores as they are dumped next but one, so that all of what is in the answer was so after the question.
func (k *scoreKeeper) answer(c command) (fields, error) {
	dumped := func() int {
		k.mutex.Lock()
		defer k.mutex.Unlock()
		return k.dumps
	}
	asked := dumped()
	if err := await(operationTimeout, "scores", func() bool { return dumped() > asked+1 }); err != nil {
		return nil, err
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	mesh := []peer.ID{}
	for p := range k.meshes[c.Topic] {
		mesh = append(mesh, p)
	}
	scores := map[string]float64{}
	for p, score := range k.scores {
		scores[p.String()] = score
	}
	return fields{"scores": scores, "mesh": mesh}, nil
}

// Follows the meshes, which pubsub does not expose otherwise.
type meshTracer struct{ keeper *scoreKeeper }

func (t meshTracer) Graft(p peer.ID, topic string) {
	t.keeper.mutex.Lock()
	defer t.keeper.mutex.Unlock()
	if t.keeper.meshes[topic] == nil {
		t.keeper.meshes[topic] = map[peer.ID]bool{}
	}
	t.keeper.meshes[topic][p] = true
}

func (t meshTracer) Prune(p peer.ID, topic string) {
	t.keeper.mutex.Lock()
	defer t.keeper.mutex.Unlock()
	delete(t.keeper.meshes[topic], p)
}

func (t meshTracer) OnClosedOutboundStream(p peer.ID) {
	t.keeper.mutex.Lock()
	defer t.keeper.mutex.Unlock()
	for _, mesh := range t.keeper.meshes {
		delete(mesh, p)
	}
}

func (t meshTracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (t meshTracer) Join(string)                              {}
func (t meshTracer) Leave(string)                             {}
func (t meshTracer) ValidateMessage(*pubsub.Message)          {}
func (t meshTracer) DeliverMessage(*pubsub.Message)           {}
func (t meshTracer) RejectMessage(*pubsub.Message, string)    {}
func (t meshTracer) DuplicateMessage(*pubsub.Message)         {}
func (t meshTracer) ThrottlePeer(peer.ID)                     {}
func (t meshTracer) RecvRPC(*pubsub.RPC)                      {}
func (t meshTracer) SendRPC(*pubsub.RPC, peer.ID)             {}
func (t meshTracer) DropRPC(*pubsub.RPC, peer.ID)             {}
func (t meshTracer) UndeliverableMessage(*pubsub.Message)     {}
