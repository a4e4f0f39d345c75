/**
 * Machine code written at run time: an assembler for the part of x86-64 that kernels use, and
 * memory that code can run in.
 */
@NullMarked
package io.quern.cpu.asm;

import org.jspecify.annotations.NullMarked;
