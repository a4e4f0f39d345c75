// What the parts of the stand-in's device share.
#pragma once
#include "host.h"

// Lets the other threads go on; for those that go on by themselves.
void yield();

// Grows with all that lets a thread go on which waits.
extern unsigned long long progress;

// What the four lanes of a quad give.
void give_lanes(const unsigned (&mine)[4], unsigned (&all)[4][4]);

// After each round of all threads, and when the last one is done: see hopper.cpp.
void copies_go_on();
void end_of_block();
