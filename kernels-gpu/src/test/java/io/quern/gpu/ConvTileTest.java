package io.quern.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ConvTileTest {
  @Test
  void largeProductsGetLargeTilesAndLongSumsParts() {
    assertThat(ConvTile.of(256, 1 << 20, 2304, 1)).isEqualTo(ConvTile.TILES.getFirst());
    assertThat(ConvTile.of(64, 64, 1 << 20, 1).parts()).isGreaterThan(64);
    assertThat(ConvTile.of(32, 9, 1 << 20, 1).n()).isEqualTo(32);
  }
}
