"""What the tests share: channels, environments made from them, and comparisons of trees."""
