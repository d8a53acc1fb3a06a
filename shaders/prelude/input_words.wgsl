// The input are pixels, four a word; the body quantizes them itself.

alias Input4 = u32;
