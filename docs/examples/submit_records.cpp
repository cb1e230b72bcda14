/// Ships records from several threads, and says from time to time how many of them are safe.
///
///   submit_records URL [DATA_DIR [THREADS RECORDS]]

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <sluice/local_node.hpp>

using namespace std::chrono_literals;

namespace {

void work(sluice::shipper& to, int thread, int records) {
  auto name = std::to_string(thread);
  sluice::attribute attributes[] = {{"thread", name}};
  for (int i = 0; i < records; ++i) {
    auto text = "record " + std::to_string(i) + " of thread " + name;
    sluice::record x{.body = text, .level = sluice::severity::informational, .attributes = attributes};
    if (to.submit(x) != sluice::errc::none)
      std::fprintf(stderr, "not shipped: %s\n", text.c_str());
  }
}

} // namespace

int main(int count, char** arguments) {
  if (count < 2)
    return 64;
  auto node = sluice::local_node::start();
  if (!node)
    return std::fprintf(stderr, "%s\n", node.error().message.c_str()), 1;
  sluice::shipper_options options;
  options.to = {arguments[1]};
  options.labels = {{"service", "example"}};
  if (count > 2)
    options.data_dir = arguments[2]; // what is not acknowledged survives the program
  options.buffer.when_full = sluice::when_full::block;
  options.buffer.block_for = 60s;
  auto shipper = node->spawn_shipper(options);
  if (!shipper)
    return std::fprintf(stderr, "%s\n", shipper.error().message.c_str()), 1;

  std::vector<std::jthread> threads;
  for (int i = 0; i < (count > 3 ? std::atoi(arguments[3]) : 4); ++i)
    threads.emplace_back([&, i] { work(*shipper, i, count > 4 ? std::atoi(arguments[4]) : 1000); });
  threads.clear(); // joins them

  auto where = options.data_dir.empty() ? sluice::durable_at::receiver : sluice::durable_at::spool;
  if (auto done = shipper->flush(60s, where); !done)
    return std::fprintf(stderr, "%s\n", done.error().message.c_str()), 1;
  std::printf("all %llu records are durable\n", static_cast<unsigned long long>(shipper->counters().accepted));
  std::fflush(stdout);
  if (auto done = shipper->flush(60s); !done)
    return std::fprintf(stderr, "%s\n", done.error().message.c_str()), 1;
  std::printf("%llu acknowledged\n", static_cast<unsigned long long>(shipper->counters().acknowledged));
}
