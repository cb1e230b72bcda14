/// Logs to the console and to Sluice.
///
///   log_with_spdlog URL [RECORDS]

#include <cstdlib>

#include <sluice/local_node.hpp>
#include <sluice/spdlog_sink.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

using namespace std::chrono_literals;

int main(int count, char** arguments) {
  if (count < 2)
    return 64;
  auto node = sluice::local_node::start();
  if (!node)
    return spdlog::error("{}", node.error().message), 1;
  sluice::shipper_options options;
  options.to = {arguments[1]};
  options.labels = {{"service", "example"}};
  auto started = node->spawn_shipper(options);
  if (!started)
    return spdlog::error("{}", started.error().message), 1;
  auto shipper = std::make_shared<sluice::shipper>(std::move(*started));

  auto console = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  console->set_level(spdlog::level::warn);
  auto sink = std::make_shared<sluice::spdlog_sink>(shipper, 10s);
  auto logger = std::make_shared<spdlog::logger>("shop", spdlog::sinks_init_list{console, sink});
  spdlog::set_default_logger(logger);

  for (int i = 0, records = count > 2 ? std::atoi(arguments[2]) : 1000; i < records; ++i)
    spdlog::info("order {} taken", i);
  SPDLOG_WARN("this one says where it comes from");
  logger->flush(); // waits, for the sink was told to
  return shipper->counters().pending == 0 ? 0 : 1;
}
