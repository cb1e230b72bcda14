#include "transport/executor.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "transport/own_thread.hpp"

namespace sluice {

namespace {

class thread_executor final : public executor {
public:
  explicit thread_executor(std::size_t threads) : pool_{threads} {}

  ~thread_executor() override { pool_.join(); }

  void post(std::function<void()> work) override {
    boost::asio::post(pool_, [work = std::move(work)] {
      is_own_thread = true;
      work();
    });
  }

private:
  boost::asio::thread_pool pool_;
};

} // namespace

std::unique_ptr<executor> make_thread_executor(std::size_t threads) {
  return std::make_unique<thread_executor>(threads);
}

} // namespace sluice
