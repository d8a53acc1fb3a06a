// The input is pixels, four in a word; the kernel quantizes them itself.

alias Input4 = u32;
