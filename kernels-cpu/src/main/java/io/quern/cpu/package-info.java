/** The CPU backend: probe, kernel table, device. */
@NullMarked
package io.quern.cpu;

import org.jspecify.annotations.NullMarked;
