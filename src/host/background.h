// Work that may wait: what is made here, threads and all, gives way to everything else on the machine.
//
// A thread inherits its creator's niceness, and only the privileged may take theirs back: so whatever `make` starts is started
// from a thread of its own that was made nice before. Any thread; blocks until `make` has returned.
#pragma once

#include <functional>

namespace cvf::host {

void in_background(const std::function<void()>& make);

}  // namespace cvf::host
