/// Runs what a configuration file names within a program, and ships the program's own records to it.
///
///   embedded_node FILE URL

#include <cstdio>
#include <string>

#include <sluice/local_node.hpp>

using namespace std::chrono_literals;

int main(int count, char** arguments) {
  if (count != 3)
    return 64;
  auto node = sluice::local_node::start({.configuration_file = arguments[1]});
  if (!node)
    return std::fprintf(stderr, "%s\n", node.error().message.c_str()), 1;
  sluice::shipper_options options;
  options.to = {arguments[2]};
  options.labels = {{"service", "example"}};
  auto shipper = node->spawn_shipper(options);
  if (!shipper)
    return std::fprintf(stderr, "%s\n", shipper.error().message.c_str()), 1;
  for (int i = 0; i < 1000; ++i)
    shipper->submit({.body = "line " + std::to_string(i)});
  if (auto done = shipper->flush(60s); !done)
    return std::fprintf(stderr, "%s\n", done.error().message.c_str()), 1;
  for (auto& x : node->metrics())
    if (x.name == "component_received_events_total")
      for (auto& [key, value] : x.labels)
        std::printf("%s %s %.0f\n", x.name.c_str(), value.c_str(), x.value);
}
