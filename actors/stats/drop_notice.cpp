#include "actors/stats/drop_notice.hpp"

#include <spdlog/spdlog.h>

#include "actors/runtime/awaitables.hpp"
#include "messages/counted.hpp"

namespace sluice {

void drop_notice::add(std::string_view reason, std::uint64_t records) {
  auto is_told = records_ == 0;
  reason_ = reason;
  records_ += records;
  auto now = self_->clock().now();
  if (now >= next_)
    say();
  else if (is_told)
    timer_ = run_later(self_, next_ - now, [this] { say(); });
}

void drop_notice::say() {
  if (records_ == 0)
    return;
  timer_.dispose();
  spdlog::warn("{}: more comes in than goes out: {} dropped ({})", who_, counted(records_, "record"), reason_);
  records_ = 0;
  next_ = self_->clock().now() + interval_;
}

} // namespace sluice
