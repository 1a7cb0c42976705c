#include "sim/run/application.h"

#include <algorithm>
#include <utility>

namespace mesocosm {

// The application's part in one topic.
class Application::Seat final : public DeferredValidator {
 public:
  Seat(const Application& owner, std::string_view topic) : owner_(owner), topic_(topic) {}

  const std::string& topic() const { return topic_; }
  bool has_a_say() const { return judge_ != nullptr || !owner_.weaknesses_.empty(); }
  void set_judge(std::shared_ptr<const Judge> judge) { judge_ = std::move(judge); }

  void begin(const Message& message, const PeerId& from, ValidationHandle handle) override {
    const Ruling ruling = rule(message, from);
    handle.answer_after(ruling.work.value_or(owner_.standard_), ruling.verdict);
  }

 private:
  Ruling rule(const Message& message, const PeerId& from) const {
    for (const auto& [mark, ruling] : owner_.weaknesses_) {
      if (message.data.size() >= mark.size() && equal(message.data.first(mark.size()), ByteView(mark))) {
        return ruling;
      }
    }
    if (judge_ == nullptr) return {};
    try {
      return (*judge_)(owner_.node_, message, from);
    } catch (...) {
      owner_.failed_(std::current_exception());
      return {.verdict = Validation::ignore};
    }
  }

  const Application& owner_;
  std::string topic_;
  std::shared_ptr<const Judge> judge_;
};

Application::Application(NodeIndex node, Duration standard, const std::vector<Weakness>& weaknesses,
                         Failed failed)
    : node_(node), standard_(standard), weaknesses_(weaknesses), failed_(std::move(failed)) {}

Application::~Application() = default;

Application::Seat& Application::seat(std::string_view topic) {
  const auto known = std::find_if(seats_.begin(), seats_.end(),
                                  [&](const std::unique_ptr<Seat>& seat) { return seat->topic() == topic; });
  if (known != seats_.end()) return **known;
  return *seats_.emplace_back(std::make_unique<Seat>(*this, topic));
}

void Application::set_judge(std::string_view topic, std::shared_ptr<const Judge> judge) {
  seat(topic).set_judge(std::move(judge));
}

void Application::attend(GossipSub* gossipsub, std::string_view topic) {
  Seat& at = seat(topic);
  if (gossipsub != nullptr) gossipsub->set_deferred_validator(topic, at.has_a_say() ? &at : nullptr);
}

void Application::attend(GossipSub& gossipsub) {
  for (const auto& at : seats_) attend(&gossipsub, at->topic());
}

}  // namespace mesocosm
