/** Small programs that use Quern. */
@NullMarked
package io.quern.examples;

import org.jspecify.annotations.NullMarked;
