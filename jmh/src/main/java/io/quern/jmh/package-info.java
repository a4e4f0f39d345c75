/** Benchmarks of Quern and, under the Maven profile {@code peers}, of other engines. */
@NullMarked
package io.quern.jmh;

import org.jspecify.annotations.NullMarked;
