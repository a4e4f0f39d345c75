/** Functions of tensors as data: traced ops, and the passes that make them faster. */
@NullMarked
package io.quern.graph;

import org.jspecify.annotations.NullMarked;
