#include "actors/stats/drop_notice.hpp"

#include <spdlog/spdlog.h>

#include "messages/counted.hpp"

namespace sluice {

void drop_notice::add(std::string_view reason, std::uint64_t records, caf::actor_clock::time_point now) {
  reason_ = reason;
  records_ += records;
  remind(now);
}

void drop_notice::say(caf::actor_clock::time_point now) {
  if (records_ == 0)
    return;
  spdlog::warn("{}: more comes in than goes out: {} dropped ({})", who_, counted(records_, "record"), reason_);
  records_ = 0;
  next_ = now + interval_;
}

} // namespace sluice
