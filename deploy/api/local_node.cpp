#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sluice/local_node.hpp>

#include "actors/stats/stats_aggregator.hpp"
#include "deploy/api/local_shipper.hpp"
#include "deploy/node.hpp"

namespace sluice {

struct [[gnu::visibility("hidden")]] local_node::impl final : runtime_user {
  explicit impl(std::shared_ptr<runtime> with)
    : shared(std::move(with)), configured(std::in_place, *shared->process()) {
    shared->add(*this);
  }

  ~impl() override {
    shared->remove(*this);
    end();
  }

  void end() override {
    if (configured)
      shared->run([this] {
        configured->stop(nullptr);
        configured.reset();
      });
  }

  std::shared_ptr<runtime> shared;
  std::optional<node> configured; ///< Nothing once it is ended.
};

local_node::local_node(std::unique_ptr<impl> made) : impl_(std::move(made)) {}

local_node::local_node(local_node&&) noexcept = default;

local_node& local_node::operator=(local_node&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

local_node::~local_node() {
  leave_behind_if_forked(impl_);
}

result<local_node> local_node::start(const node_options& options) {
  local_node made{std::make_unique<impl>(runtime::start())};
  auto& file = options.configuration_file;
  if (file.empty())
    return made;
  auto config = load_configuration(made.impl_->shared->process()->env().files, file);
  if (!config)
    return error{errc::invalid_argument, fmt::format("{}", fmt::join(config.error(), "\n"))};
  auto failure = made.impl_->shared->run([&] { return made.impl_->configured->start(std::move(*config)); });
  if (failure)
    return to_error(*failure);
  return made;
}

result<shipper> local_node::spawn_shipper(const shipper_options& options) {
  if (impl_->shared->is_forked())
    return error{errc::shutting_down, "the node is in the process that has forked this one; start one here"};
  if (!impl_->configured)
    return error{errc::shutting_down, "the program exits"};
  auto started = impl_->shared->run([&] { return shipper::impl::start(impl_->shared, options); });
  if (!started)
    return started.error();
  return shipper{std::move(*started)};
}

bool local_node::has_failed() const {
  return impl_->shared->is_forked() || !impl_->configured || impl_->configured->has_failed();
}

std::vector<metric> local_node::metrics() const {
  std::vector<metric> made;
  if (impl_->shared->is_forked() || !impl_->configured)
    return made;
  auto& process = *impl_->shared->process();
  for (auto& x : take_snapshot(process.system(), process.env().now()).samples)
    made.push_back({std::move(x.name), std::move(x.labels), x.value});
  return made;
}

} // namespace sluice
