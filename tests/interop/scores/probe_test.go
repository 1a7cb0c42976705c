// Replays a script of scoring events (see test_scores_with_go.py) on go-libp2p-pubsub's own peer score, in virtual time, and
// prints the scores that the script asks for. build.sh of the go peer compiles it as a part of the package pubsub, whose
// peer score is not exported; the library's files stay as they are.
package pubsub

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

type scoreScript struct {
	App       map[string]float64
	Whitelist []string
	Params    map[string]float64
	Topics    map[string]map[string]float64
	Events    []struct {
		At                           float64 // seconds since the beginning
		Do, Peer, IP, Topic, Message string
		Count                        int
	}
}

func seconds(value float64) time.Duration { return time.Duration(value*1e9 + 0.5) }

func topicParams(of map[string]float64) *TopicScoreParams {
	return &TopicScoreParams{
		TopicWeight:                     of["weight"],
		TimeInMeshWeight:                of["time_in_mesh_weight"],
		TimeInMeshQuantum:               seconds(of["time_in_mesh_quantum"]),
		TimeInMeshCap:                   of["time_in_mesh_cap"],
		FirstMessageDeliveriesWeight:    of["first_message_deliveries_weight"],
		FirstMessageDeliveriesDecay:     of["first_message_deliveries_decay"],
		FirstMessageDeliveriesCap:       of["first_message_deliveries_cap"],
		MeshMessageDeliveriesWeight:     of["mesh_message_deliveries_weight"],
		MeshMessageDeliveriesDecay:      of["mesh_message_deliveries_decay"],
		MeshMessageDeliveriesCap:        of["mesh_message_deliveries_cap"],
		MeshMessageDeliveriesThreshold:  of["mesh_message_deliveries_threshold"],
		MeshMessageDeliveriesWindow:     seconds(of["mesh_message_deliveries_window"]),
		MeshMessageDeliveriesActivation: seconds(of["mesh_message_deliveries_activation"]),
		MeshFailurePenaltyWeight:        of["mesh_failure_penalty_weight"],
		MeshFailurePenaltyDecay:         of["mesh_failure_penalty_decay"],
		InvalidMessageDeliveriesWeight:  of["invalid_message_deliveries_weight"],
		InvalidMessageDeliveriesDecay:   of["invalid_message_deliveries_decay"],
	}
}

func (script *scoreScript) params() (*PeerScoreParams, error) {
	params := &PeerScoreParams{
		Topics:                      map[string]*TopicScoreParams{},
		TopicScoreCap:               script.Params["topic_score_cap"],
		AppSpecificScore:            func(p peer.ID) float64 { return script.App[string(p)] },
		AppSpecificWeight:           script.Params["app_specific_weight"],
		IPColocationFactorWeight:    script.Params["ip_colocation_weight"],
		IPColocationFactorThreshold: int(script.Params["ip_colocation_threshold"]),
		BehaviourPenaltyWeight:      script.Params["behaviour_penalty_weight"],
		BehaviourPenaltyThreshold:   script.Params["behaviour_penalty_threshold"],
		BehaviourPenaltyDecay:       script.Params["behaviour_penalty_decay"],
		DecayInterval:               seconds(script.Params["decay_interval"]),
		DecayToZero:                 script.Params["decay_to_zero"],
		RetainScore:                 seconds(script.Params["retain_score"]),
		SeenMsgTTL:                  seconds(script.Params["seen_ttl"]),
	}
	for _, text := range script.Whitelist {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return nil, err
		}
		params.IPColocationFactorWhitelist = append(params.IPColocationFactorWhitelist, network)
	}
	for name, values := range script.Topics {
		params.Topics[name] = topicParams(values)
	}
	return params, params.validate()
}

// What getIPs makes of a connection; the peer score has no host here to ask.
func addressesOf(text string) []string {
	ip := net.ParseIP(text)
	if ip == nil || ip.To4() != nil {
		return []string{text}
	}
	return []string{ip.String(), ip.Mask(net.CIDRMask(64, 128)).String()}
}

func replay(script *scoreScript, params *PeerScoreParams) error {
	score := newPeerScore(params, slog.New(slog.DiscardHandler))
	begin := time.Now()
	refreshed := 0
	printed := json.NewEncoder(os.Stdout)
	for _, event := range script.Events {
		at := seconds(event.At)
		for next := time.Duration(refreshed+1) * params.DecayInterval; next <= at; next += params.DecayInterval {
			time.Sleep(next - time.Since(begin))
			score.refreshScores()
			score.gcDeliveryRecords()
			refreshed++
		}
		time.Sleep(at - time.Since(begin))
		from := peer.ID(event.Peer)
		message := &Message{ReceivedFrom: from, Message: &pb.Message{
			From: []byte(event.Message), Seqno: []byte(event.Message), Topic: &event.Topic}}
		switch event.Do {
		case "add":
			score.OnNewOutboundStream(from, GossipSubID_v11)
			stats := score.peerStats[from]
			addresses := addressesOf(event.IP)
			score.setIPs(from, addresses, stats.ips)
			stats.ips = addresses
		case "remove":
			score.OnClosedOutboundStream(from)
		case "graft":
			score.Graft(from, event.Topic)
		case "prune":
			score.Prune(from, event.Topic)
		case "penalty":
			score.AddPenalty(from, event.Count)
		case "validating":
			score.ValidateMessage(message)
		case "delivered":
			score.DeliverMessage(message)
		case "rejected":
			score.RejectMessage(message, RejectValidationFailed)
		case "ignored":
			score.RejectMessage(message, RejectValidationIgnored)
		case "throttled":
			score.RejectMessage(message, RejectValidationThrottled)
		case "invalid":
			score.RejectMessage(message, RejectInvalidSignature)
		case "duplicate":
			score.DuplicateMessage(message)
		case "scores":
			scores := map[string]float64{}
			for p := range score.peerStats {
				scores[string(p)] = score.Score(p)
			}
			if err := printed.Encode(scores); err != nil {
				return err
			}
		default:
			return fmt.Errorf("no such event: %q", event.Do)
		}
	}
	return nil
}

func TestReplay(t *testing.T) {
	var script scoreScript
	if err := json.NewDecoder(os.Stdin).Decode(&script); err != nil {
		t.Fatal(err)
	}
	params, err := script.params()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := replay(&script, params); err != nil {
			t.Fatal(err)
		}
	})
}
