// Networks in rounds: that the cores do together what their papers say, and the same with the same seed.
#include <algorithm>
#include <cmath>
#include <set>

#include <catch2/catch.hpp>

#include "sim/rounds/cyclon_rounds.h"
#include "sim/rounds/graph.h"
#include "sim/rounds/plumtree_rounds.h"
#include "sim/rounds/rumor_rounds.h"

using namespace mesocosm;
using namespace mesocosm::rounds;

TEST_CASE("a rumor's residue is exp(-traffic) when it is pushed", "[rounds]") {
  // Demers et al. 1987, section 1.4; over 20 runs of 500 sites the two differ by a few percent.
  RumorsParams params;
  params.mode = RumorMode::push;
  params.k = 1;
  double residue = 0;
  double traffic = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RumorOutcome outcome = spread_rumor(500, params, seed);
    residue += 1 - outcome.heard / 500.0;
    traffic += static_cast<double>(outcome.sent) / 500;
  }
  CHECK(residue / 20 == Approx(std::exp(-traffic / 20)).epsilon(0.1));
  const RumorOutcome again = spread_rumor(500, params, 3);
  CHECK(again.heard == spread_rumor(500, params, 3).heard);
  CHECK(again.heard != spread_rumor(500, params, 4).heard);
}

TEST_CASE("push-pull reaches everybody with few cycles", "[rounds]") {
  RumorsParams params;
  params.mode = RumorMode::push_pull;
  params.k = 3;
  const RumorOutcome outcome = spread_rumor(500, params, 1);
  CHECK(outcome.heard == 500);
  CHECK(outcome.last <= 12);  // log3(500) + O(log log 500)
}

TEST_CASE("enhanced shuffling evens the in-degrees, more than basic shuffling does", "[rounds]") {
  const auto spread = [](bool oldest) {
    CyclonParams params;
    params.oldest = oldest;
    CyclonRounds net(1000, params, CyclonStart::star, 1);
    net.run(150);
    std::vector<double> degrees(1000);
    for (const auto& [knower, known] : net.links()) ++degrees[known];
    double square = 0;
    for (const double degree : degrees) square += (degree - 20) * (degree - 20);
    return std::sqrt(square / 1000);
  };
  const double enhanced = spread(true);
  CHECK(enhanced < 3);
  CHECK(spread(false) > 1.3 * enhanced);
}

TEST_CASE("HyParView's active views are symmetric, full and connected", "[rounds]") {
  PlumtreeRounds net(300, {}, {}, 2);
  net.run(20);
  const auto links = net.links();
  const std::set all(links.begin(), links.end());
  for (const auto& [from, to] : links) CHECK(all.contains({to, from}));
  CHECK(links.size() >= 300 * 5 * 99 / 100);
  CHECK(measure_graph(300, links, false, 0, 1).reached == 1);
}

TEST_CASE("Plumtree: the first broadcast makes a tree, and later ones have no redundancy", "[rounds]") {
  PlumtreeRounds net(300, {}, {}, 2);
  net.run(20);
  const NodeNumber source = net.draw_alive();
  const auto links = net.links().size();
  const BroadcastOutcome first = net.broadcast(source);
  CHECK(first.delivered == 300);
  CHECK(first.payload == links - 299);  // everybody's links but the one that it came by
  const BroadcastOutcome second = net.broadcast(source);
  CHECK(second.delivered == 300);
  CHECK(second.payload == 299);
  CHECK(second.control == links - 2 * 299);  // an IHAVE each way on the other links
}

TEST_CASE("Plumtree heals after half of the nodes failed", "[rounds]") {
  PlumtreeRounds net(300, {}, {}, 2);
  net.run(20);
  const NodeNumber source = net.draw_alive();
  net.broadcast(source);
  net.fail(150, false);
  for (int i = 0; i < 5; ++i) {
    net.broadcast(net.draw_alive());
    net.run(1);
  }
  const NodeNumber now = net.draw_alive();
  net.broadcast(now);
  const BroadcastOutcome outcome = net.broadcast(now);
  CHECK(outcome.delivered == 150);
  CHECK(outcome.payload == 149);
}

TEST_CASE("measures of small graphs", "[rounds]") {
  const std::vector<std::pair<NodeNumber, NodeNumber>> ring = {{0, 1}, {1, 2}, {2, 3}, {3, 0}};
  const GraphMeasures directed = measure_graph(4, ring, true, 0, 1);
  CHECK(directed.shortest_path == Approx(2));
  CHECK(directed.clustering == 0);
  CHECK(directed.reached == 1);
  CHECK(measure_graph(4, ring, false, 0, 1).shortest_path == Approx(4.0 / 3));
  const std::vector<std::pair<NodeNumber, NodeNumber>> triangle = {{0, 1}, {1, 2}, {2, 0}};
  CHECK(measure_graph(4, triangle, false, 0, 1).clustering == Approx(0.75));  // one has no neighbors
  CHECK(measure_graph(4, triangle, false, 0, 1).reached == Approx(0.5));
}
