/** Running sums and orders along an axis. */
@NullMarked
package io.quern.cpu.scan;

import org.jspecify.annotations.NullMarked;
