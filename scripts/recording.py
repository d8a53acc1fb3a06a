"""What the record scripts share: naming the machine, and putting a block into a page."""

import os, platform, sys

sys.dont_write_bytecode = True


def processor():
    """The processor's name, as the system gives it."""
    if os.path.exists("/proc/cpuinfo"):
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def put(page, name, text):
    """Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` in a page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = open(page).read().split(begin)
    after = rest.split(end)[1]
    open(page, "w").write(f"{before}{begin}\n{text.strip()}\n{end}{after}")
    print(page)
