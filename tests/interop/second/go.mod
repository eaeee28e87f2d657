module meldeweg.example/second

go 1.24
