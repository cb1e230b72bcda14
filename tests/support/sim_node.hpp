#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include "actors/receive_pipeline.hpp"
#include "actors/ship_pipeline.hpp"
#include "actors/stats/stats_aggregator.hpp"
#include "actors/storage/store.hpp"
#include "tests/support/sim_file_system.hpp"
#include "tests/support/sim_world.hpp"

namespace sluice::test {

/// The events of one component, from its process's metrics.
struct ledger {
  double received = 0, sent = 0, discarded = 0, held = 0;
  bool balances() const noexcept { return received == sent + discarded + held; }
};

ledger ledger_of(const stats_snapshot& metrics, const std::string& component);
std::string to_string(const ledger& x);

/// A machine that runs a receiver and its store.
class sim_receiver {
public:
  sim_receiver(sim_world& world, endpoint where, std::uint64_t seed, store_options store, acceptor_config accept,
    restart_intensity intensity = {})
    : world_(world), where_(std::move(where)), seed_(seed), files_(seed), store_(store), accept_(accept),
      intensity_(intensity) {}

  const endpoint& where() const noexcept { return where_; }
  const std::filesystem::path& folder() const noexcept { return folder_; }
  sim_file_system& files() noexcept { return files_; }
  bool is_up() const noexcept { return process_ != nullptr; }
  sim_process& process() noexcept { return *process_; }
  const receive_pipeline_actor& pipeline() const noexcept { return pipeline_; }

  /// Opens the store and listens. Errors: those of `store::open`.
  expected<void> start();

  /// `kill -9`: what was written stays.
  void kill();

  /// Power fails: what was not synced is forgotten.
  void crash();

  std::uint64_t starts() const noexcept { return starts_; }
  std::uint64_t torn_tails() const noexcept { return torn_tails_; } ///< That starts have cut.

  supervisor_actor stats;

private:
  sim_world& world_;
  endpoint where_;
  std::uint64_t seed_;
  sim_file_system files_;
  store_options store_;
  acceptor_config accept_;
  restart_intensity intensity_;
  std::filesystem::path folder_ = "/store";
  std::uint64_t starts_ = 0, torn_tails_ = 0;
  std::unique_ptr<sim_process> process_;
  receive_pipeline_actor pipeline_;
  std::unique_ptr<listener> listener_;
};

inline constexpr auto pipe_path = "/dev/stdin";

/// A machine whose files are shipped.
class sim_shipper {
public:
  sim_shipper(sim_world& world, std::string host, std::uint64_t seed, ship_pipeline_config config)
    : world_(world), host_(std::move(host)), seed_(seed), files_(seed), config_(std::move(config)) {
    files_.set_content(notes_path, ""); // and with it its folder
  }

  const std::string& host() const noexcept { return host_; }
  const ship_pipeline_config& config() const noexcept { return config_; }
  sim_file_system& files() noexcept { return files_; }
  bool is_up() const noexcept { return process_ != nullptr; }
  sim_process& process() noexcept { return *process_; }
  const ship_pipeline_actor& pipeline() const noexcept { return pipeline_; }

  /// Puts a file there and ships it from the next start on.
  void add_file(const std::string& path, std::string content);

  /// Ships from standard input, too; it outlives the processes.
  void add_pipe();
  bool has_pipe() const noexcept { return has_pipe_; }

  /// Follows files from the next start on.
  void follow(std::string pattern) { config_.source.follow.patterns.push_back(std::move(pattern)); }
  bool follows() const noexcept { return !config_.source.follow.patterns.empty(); }

  /// Where it notes what it knows of files.
  static constexpr auto notes_path = "/state/files";

  /// Since when its process runs and its disk works; nothing while they do not, or it is frozen.
  std::optional<sim_world::time_point> awake_since() const;

  /// Its disk begins to fail, or works again.
  void disk_fails() { disk_works_since_.reset(); }
  void disk_works() { disk_works_since_ = world_.now(); }

  /// Becomes the same agent as `other`: their starts are counted together.
  void join(const sim_shipper& other) { epoch_ = other.epoch_; }

  /// Which start of the agent the present one is.
  std::uint64_t epoch() const noexcept { return config_.ship.epoch; }

  /// Whether no later start of the agent has been.
  bool is_newest() const noexcept { return epoch() == *epoch_; }

  /// Starts the pipeline as the agent's next epoch, and asks it to drain.
  void start();
  void kill();

  /// Ends what it follows where it is.
  void stop();

  /// Power fails. What applications have written stays.
  void crash();

  /// All is acknowledged, or it has given up.
  bool is_drained() const noexcept { return drained_ && drained_->has_value(); }
  const expected<ship_report>& outcome() const { return drained_->value(); }

  /// A later start of the agent has ended it.
  bool is_fenced() const {
    return !is_newest() && is_drained() && !outcome() && outcome().error().code == errc::stale_epoch;
  }

  supervisor_actor stats;

private:
  id128 new_id() const;

  sim_world& world_;
  std::string host_;
  std::uint64_t seed_;
  sim_file_system files_;
  ship_pipeline_config config_;
  std::shared_ptr<std::uint64_t> epoch_ = std::make_shared<std::uint64_t>(0); ///< Of the agent's last start.
  std::uint64_t starts_ = 0;
  bool has_pipe_ = false;
  std::optional<sim_world::time_point> disk_works_since_ = sim_world::time_point::min();
  std::unique_ptr<sim_process> process_;
  ship_pipeline_actor pipeline_;
  std::shared_ptr<std::optional<expected<ship_report>>> drained_;
};

/// Ends the present child called `name` of `parent`, as a failure does; one of them, picked by `choice`, if there are
/// several. Nothing happens if there is none.
template <class Parent>
void kill_child(sim_process& process, const Parent& parent, const std::string& name, std::uint64_t choice = 0) {
  process.own(caf::actor{process.system().spawn([=](caf::event_based_actor* self) {
    self->request(parent, caf::infinite, children_atom_v)
      .then(
        [=](std::vector<child_status>& children) {
          std::erase_if(children, [&](auto& x) { return x.name != name || !x.handle; });
          if (!children.empty())
            caf::anon_send_exit(children[choice % children.size()].handle, caf::exit_reason::kill);
        },
        [](const caf::error&) {});
  })});
}

/// What all components of a process have counted, now.
stats_snapshot metrics_of(sim_world& world, sim_process& process, const stats_actor& stats);
stats_snapshot metrics_of(sim_world& world, sim_process& process, const supervisor_actor& stats);

} // namespace sluice::test
