#include "sim/run/shared_record.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace mesocosm {

// Texts are the letter's.
struct SharedRecord::Entry {
  Time time{};
  std::uint32_t step = 0;
  std::uint32_t rank = 0;
  Kind kind = Kind::event;
  std::uint32_t node = 0;  // or the series
  TraceEvent event{};      // of bytes: label is the protocol, subject and value what came in and went out
  double value = 0;
};

void SharedRecord::begin(Kind kind, Time now) {
  writer_.put(kind);
  writer_.put(now);
  writer_.put(steps_);
}

void SharedRecord::record(Time now, std::uint32_t node, const TraceEvent& event) {
  begin(Kind::event, now);
  writer_.put(node);
  writer_.put(event.kind);
  writer_.put(event.peer);
  writer_.put(event.subject);
  writer_.put(event.value);
  writer_.put_text(event.label);
}

void SharedRecord::bytes(Time now, std::uint32_t node, std::string_view protocol, std::uint64_t in_bytes,
                         std::uint64_t out_bytes) {
  begin(Kind::bytes, now);
  writer_.put(node);
  writer_.put(in_bytes);
  writer_.put(out_bytes);
  writer_.put_text(protocol);
}

std::uint32_t SharedRecord::metric_series(std::string_view name, std::string_view labels) {
  begin(Kind::series, Time{});
  writer_.put_text(name);
  writer_.put_text(labels);
  return own_series_++;
}

void SharedRecord::metric(Time now, std::uint32_t series, double value) {
  begin(Kind::metric, now);
  writer_.put(series);
  writer_.put(value);
}

void SharedRecord::merge(const std::vector<Letter>& letters, Recorder& recorder) {
  std::vector<Entry> entries;
  for (std::uint32_t rank = 0; rank < letters.size(); ++rank) read(letters[rank], rank, recorder, entries);
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.time != b.time ? a.time < b.time : a.step < b.step;
  });
  Time now{};
  for (const Entry& entry : entries) {
    if (entry.time != now) write_metrics(now, recorder);
    now = entry.time;
    switch (entry.kind) {
      case Kind::event:
        recorder.record(now, entry.node, entry.event);
        break;
      case Kind::bytes:
        recorder.bytes(now, entry.node, entry.event.label, entry.event.subject, entry.event.value);
        break;
      case Kind::series:
        break;  // done when it was read
      case Kind::metric: {
        const std::size_t place = series_[entry.rank][entry.node];
        Metric& metric = metrics_[place];
        metric.parts[entry.rank] = entry.value;
        if (!std::exchange(metric.touched, true)) touched_.push_back(place);
        break;
      }
    }
  }
  write_metrics(now, recorder);
}

void SharedRecord::read(const Letter& letter, std::uint32_t rank, Recorder& recorder,
                        std::vector<Entry>& entries) {
  for (LetterReader reader(letter); !reader.empty();) {
    Entry entry;
    entry.rank = rank;
    entry.kind = reader.get<Kind>();
    entry.time = reader.get<Time>();
    entry.step = reader.get<std::uint32_t>();
    if (entry.kind == Kind::series) {
      const std::string_view name = reader.text();
      add_series(rank, name, reader.text(), recorder);
      continue;
    }
    entry.node = reader.get<std::uint32_t>();
    if (entry.kind == Kind::metric) {
      entry.value = reader.get<double>();
    } else {
      if (entry.kind == Kind::event) {
        entry.event.kind = reader.get<TraceKind>();
        entry.event.peer = reader.get<std::uint64_t>();
      }
      entry.event.subject = reader.get<std::uint64_t>();
      entry.event.value = reader.get<std::uint64_t>();
      entry.event.label = reader.text();
    }
    entries.push_back(entry);
  }
}

void SharedRecord::add_series(std::uint32_t rank, std::string_view name, std::string_view labels,
                              Recorder& recorder) {
  const std::string key = std::string(name) + '{' + std::string(labels);
  const auto [known, fresh] = known_.try_emplace(key, metrics_.size());
  if (fresh) {
    metrics_.emplace_back();
    metrics_.back().id = recorder.metric_series(name, labels);
    metrics_.back().parts.resize(series_.size());
  }
  series_[rank].push_back(known->second);
}

void SharedRecord::write_metrics(Time now, Recorder& recorder) {
  std::sort(touched_.begin(), touched_.end());
  for (const std::size_t place : touched_) {
    Metric& metric = metrics_[place];
    metric.touched = false;
    const double sum = std::accumulate(metric.parts.begin(), metric.parts.end(), 0.0);
    if (metric.last != sum) recorder.metric(now, metric.id, sum);
    metric.last = sum;
  }
  touched_.clear();
}

}  // namespace mesocosm
