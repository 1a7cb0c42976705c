#include "sim/run/ranked_run.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#ifdef MESOCOSM_MPI
#include "sim/mpi/mpi_ranks.h"
#endif
#include "sim/run/world.h"
#include "stack/base/hash.h"

namespace mesocosm {
namespace {

constexpr std::string_view kComplete = "complete";
constexpr const char* kScriptDiffers =
    "the script did something else in one process than in another: it may depend on its arguments alone";

void put(LetterWriter& writer, const hosts::Crossing& c) {
  writer.put(c.from);
  writer.put(c.to);
  writer.put(c.wire);
  writer.put(c.order);
  writer.put(c.first_in);
  writer.put(c.last_in);
  writer.put_text({reinterpret_cast<const char*>(c.packet.data()), c.packet.size()});
}

hosts::Crossing get_crossing(LetterReader& reader) {
  hosts::Crossing c;
  c.from = reader.get<HostIndex>();
  c.to = reader.get<HostIndex>();
  c.wire = reader.get<std::uint32_t>();
  c.order = reader.get<std::uint64_t>();
  c.first_in = reader.get<Time>();
  c.last_in = reader.get<Time>();
  const std::string_view packet = reader.text();
  c.packet.assign(packet.begin(), packet.end());
  return c;
}

Letter joined(std::initializer_list<Letter> pieces) {
  LetterWriter writer;
  for (const Letter& piece : pieces) {
    writer.put_text({reinterpret_cast<const char*>(piece.data()), piece.size()});
  }
  return writer.take();
}

Letter next_piece(LetterReader& reader) {
  const std::string_view piece = reader.text();
  return {piece.begin(), piece.end()};
}

}  // namespace

std::uint32_t launched_processes() {
  const char* const processes = std::getenv("OMPI_COMM_WORLD_SIZE");  // Open MPI's mpirun tells so
  return processes == nullptr ? 1 : static_cast<std::uint32_t>(std::strtoul(processes, nullptr, 10));
}

std::unique_ptr<Ranks> join_ranks() {
  if (launched_processes() < 2) return nullptr;
#ifdef MESOCOSM_MPI
  auto ranks = join_mpi();
  if (ranks == nullptr)
    throw ConfigError("processes that mpirun started run one World together, not several");
  return ranks;
#else
  throw ConfigError("this build has no MPI, so that " + std::to_string(launched_processes()) +
                    " processes cannot run a World together: build the preset mpi");
#endif
}

// What each process tells all others at the end of a window.
struct RankedRun::Head {
  Time next{};  // its first event, also of what it sends
  std::uint64_t script = 0;
  std::uint64_t turns = 0;
};

RankedRun::RankedRun(std::unique_ptr<Ranks> ranks)
    : ranks_(std::move(ranks)), record_(ranks_->size()), crossings_(ranks_->size()) {}

void RankedRun::divide(const Internet& internet) {
  auto divided = split(internet, ranks_->size());
  if (!divided) throw ConfigError(divided.error().detail);
  split_ = std::move(*divided);
}

void RankedRun::step(std::string_view what, std::uint64_t detail) {
  script_ = mix64(script_ ^ hash64(as_bytes(what), detail));
  record_.step();
}

void RankedRun::send(hosts::Crossing crossing) {
  first_sent_ = std::min(first_sent_, crossing.first_in);
  put(crossings_[split_.rank_of[crossing.to]], crossing);
}

void RankedRun::tell(const hosts::Listening& listening) { listenings_.put(listening); }

Time RankedRun::meet(Ground& ground) {
  const News news = exchange(&ground, ground.next_event(), "", 0);
  if (news.ended > 0) throw RunError(news.end.failure.empty() ? "another process ended" : news.end.failure);
  if (!news.same_script) throw RunError(kScriptDiffers);
  return news.next < kNever - split_.lookahead ? news.next + split_.lookahead : kNever;
}

RankedRun::End RankedRun::conclude(const std::string& ended, std::uint64_t turns) {
  End end;
  if (std::exchange(concluded_, true)) return end;
  while (true) {
    News news = exchange(nullptr, kNever, ended, turns);
    if (end.failure.empty()) end.failure = std::move(news.end.failure);
    end.turns = news.end.turns;
    if (news.ended < ranks_->size()) continue;
    if (ended == kComplete && end.failure.empty() && !news.same_script) end.failure = kScriptDiffers;
    break;
  }
  return end;
}

RankedRun::News RankedRun::exchange(Ground* ground, Time next, const std::string& ended,
                                    std::uint64_t turns) {
  const Head head{std::min(next, std::exchange(first_sent_, kNever)), script_, turns};
  LetterWriter heading;
  heading.put(head);
  heading.put_text(ended);
  const Letter top = heading.take(), listenings = listenings_.take(), told = record_.take();
  std::vector<Letter> letters;
  for (std::uint32_t rank = 0; rank < ranks_->size(); ++rank) {
    letters.push_back(joined({top, listenings, crossings_[rank].take(), rank == 0 ? told : Letter{}}));
  }
  const std::vector<Letter> received = ranks_->exchange(letters);

  News news;
  std::vector<Letter> records;
  for (std::uint32_t rank = 0; rank < received.size(); ++rank) {
    LetterReader reader(received[rank]);
    const Letter their_top = next_piece(reader);
    LetterReader top_reader(their_top);
    const Head theirs = top_reader.get<Head>();
    const std::string_view their_end = top_reader.text();
    news.next = std::min(news.next, theirs.next);
    news.end.turns += theirs.turns;
    news.same_script = news.same_script && theirs.script == script_;
    if (!their_end.empty()) ++news.ended;
    if (!their_end.empty() && their_end != kComplete && rank != this->rank() && news.end.failure.empty()) {
      news.end.failure = "process " + std::to_string(rank) + " " + std::string(their_end);
    }
    take_in(reader, rank == this->rank() ? nullptr : ground);
    records.push_back(next_piece(reader));
  }
  if (recorder_ != nullptr) record_.merge(records, *recorder_);
  return news;
}

void RankedRun::take_in(LetterReader& reader, Ground* ground) {
  const Letter listenings = next_piece(reader), crossings = next_piece(reader);
  if (ground == nullptr) return;  // our own, or the run is over
  for (LetterReader at(listenings); !at.empty();) ground->arrive(at.get<hosts::Listening>());
  for (LetterReader at(crossings); !at.empty();) ground->arrive(get_crossing(at));
}

}  // namespace mesocosm
